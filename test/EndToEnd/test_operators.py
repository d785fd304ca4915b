"""Operators in cases that the node tests do not have."""

import platform

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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_large_images_are_convolved_in_strips(accordion, tools, tmp_path, stride, threads):
    """A number of rows that no strip divides, two images, and something added in every row."""
    rng = np.random.default_rng(stride)
    x = rng.standard_normal((2, 64, 61, 127)).astype("float32")
    w = rng.standard_normal((16, 64, 3, 3)).astype("float32")
    padded = np.pad(x.astype("float64"), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::stride, ::stride]
    sums = np.einsum("nchwij,ocij->nohw", windows, w.astype("float64"), optimize=True)
    skip = rng.standard_normal(sums.shape).astype("float32")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[stride, stride]),
            helper.make_node("Add", ["c", "skip"], ["y"]),
        ],
        "conv",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64, "h", "w"]),
            helper.make_tensor_value_info("skip", TensorProto.FLOAT, ["n", 16, "h2", "w2"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w, "w")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so")
    (y,) = accordion.load(str(tmp_path / "m.so"), threads=threads).run(None, {"x": x, "skip": skip})
    np.testing.assert_allclose(y, sums + skip, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("stride", "kernel", "pads"),
    [(1, 3, [1, 1, 1, 1]), (2, 3, [1, 1, 1, 1]), (1, 5, [0, 2, 4, 2]), (2, 2, [0, 0, 0, 0])],
)
def test_windows_of_a_large_product_are_summed_in_strips(accordion, tools, tmp_path, stride, kernel, pads, threads):
    """What a strip's windows read is computed with it: above, below, and what the strips before and after need too."""
    rng = np.random.default_rng(kernel)
    x = rng.standard_normal((2, 12, 67, 131)).astype("float32")
    wide = rng.standard_normal((80, 12, 1, 1)).astype("float32")
    w = rng.standard_normal((80, 1, kernel, kernel)).astype("float32")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "wide"], ["c"]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("Conv", ["r", "w"], ["y"], group=80, pads=pads, strides=[stride, stride]),
        ],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 12, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(w, "w")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so")
    (y,) = accordion.load(str(tmp_path / "m.so"), threads=threads).run(None, {"x": x})
    image = np.maximum(np.einsum("nchw,oc->nohw", x.astype("float64"), wide[:, :, 0, 0]), 0)
    image = np.pad(image, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    windows = np.lib.stride_tricks.sliding_window_view(image, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    np.testing.assert_allclose(y, np.einsum("nchwij,cij->nchw", windows, w[:, 0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 8, 16, 33, 100])
def test_largest_of_windows(accordion, tools, tmp_path, width, stride):
    """All below zero: padding that counted as zero would win."""
    x = -1 - np.random.default_rng(width).random((2, 3, 7, width)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])],
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so")
    (y,) = accordion.load(str(tmp_path / "m.so"), threads=2).run(None, {"x": x})
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::stride, ::stride]
    np.testing.assert_array_equal(y, windows.max((4, 5)))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="others multiply denormals as fast as any number")
@pytest.mark.parametrize("threads", [1, 2])
def test_products_take_denormals_as_zero_and_nothing_else_does(accordion, tools, tmp_path, threads):
    x = np.full((64, 32), 1e-40, "float32")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["y"]),
            helper.make_node("Greater", ["x", "zero"], ["positive"]),
            helper.make_node("ReduceMax", ["y"], ["y0"], keepdims=0),
            helper.make_node("Sum", ["x", "x", "y0"], ["twice"]),
        ],
        "denormals",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 32])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("positive", TensorProto.BOOL, None),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, None),
        ],
        [
            numpy_helper.from_array(np.full((32, 96), 1e10, "float32"), "w"),
            numpy_helper.from_array(np.zeros((), "float32"), "zero"),
        ],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so")
    y, positive, twice = accordion.load(str(tmp_path / "m.so"), threads=threads).run(None, {"x": x})
    assert not y.any()
    assert positive.all()
    assert np.array_equal(twice, x + x) and twice.all()  # after the product
