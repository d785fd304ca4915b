"""Operators in cases that the node tests do not have."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8"])
def test_topk_with_large_k_keeps_the_order_of_equal_elements(accordion, tools, tmp_path, dtype, largest, threads):
    rng = np.random.default_rng(0)
    x = np.round(rng.standard_normal((3, 300)) * 3).astype("int64")
    x = np.abs(x).astype(dtype) if dtype == "uint8" else x.astype(dtype)
    if dtype.startswith("float"):
        x[0, ::7] *= -0.0  # zeros of both signs are equal
        x[1, 5::50] = np.nan  # larger than all numbers, and equal to each other
    kind, k = helper.np_dtype_to_tensor_dtype(x.dtype), 100
    graph = helper.make_graph(
        [helper.make_node("TopK", ["x", "k"], ["v", "i"], largest=largest)],
        "topk",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("v", kind, None), helper.make_tensor_value_info("i", TensorProto.INT64, None)],
        [numpy_helper.from_array(np.array([k]), "k")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so")
    values, indices = accordion.load(str(tmp_path / "m.so"), threads=threads).run(None, {"x": x})
    keys = np.where(np.isnan(x.astype("float64")), np.inf, x.astype("float64"))
    order = np.argsort(-keys if largest else keys, axis=1, kind="stable")[:, :k]
    assert np.array_equal(indices, order)
    assert np.array_equal(values.astype("float64"), np.take_along_axis(x, order, 1).astype("float64"), equal_nan=True)


@pytest.mark.parametrize("width", [1, 7, 30, 64, 131])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_reads_nothing_outside(accordion, tools, tmp_path, width, stride):
    """Not even an infinity: a padded element times a weight is zero, also at the rim and for images below the kernel."""
    rng = np.random.default_rng(width)
    x = rng.standard_normal((2, 3, 5, width)).astype("float32")
    x[0, 1, 0, 0] = np.inf
    w = np.abs(rng.standard_normal((3, 1, 3, 5))).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], group=3, pads=[1, 2, 1, 2], strides=[stride, stride])],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w, "w")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so")
    (y,) = accordion.load(str(tmp_path / "m.so"), threads=2).run(None, {"x": x})
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    rows, columns = (5 - 1) // stride + 1, (width - 1) // stride + 1
    want = np.zeros((2, 3, rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i * stride : i * stride + 3, j * stride : j * stride + 5].astype("float64")
            terms = np.where(window == 0, 0, window * w[None, :, 0])
            want[:, :, i, j] = terms.sum((2, 3))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
