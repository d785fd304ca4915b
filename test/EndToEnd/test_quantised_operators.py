"""com.microsoft's operators on quantised tensors, as ONNX Runtime's static quantiser writes them.

pytest test/EndToEnd/test_quantised_operators.py --build build/release
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import real_models
from onnx import TensorProto, helper, numpy_helper
from programs import seeded

KINDS = {"u8": (np.uint8, TensorProto.UINT8), "s8": (np.int8, TensorProto.INT8)}
F32 = np.float32


def model(node, inputs, constants, outputs, opset=17):
    graph = helper.make_graph(
        [node] if isinstance(node, onnx.NodeProto) else node,
        "g",
        [helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def whole(rng, kind, shape):
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max + 1, shape).astype(kind)


def compare(accordion, tmp_path, made, feeds, share=0.01):
    """The bytes of ONNX Runtime, or their neighbours for few of them: it multiplies by quotients of scales, and adds an odd
    zero point before it rounds, which moves what lies in the middle."""
    onnx.save(made, tmp_path / "model.onnx")
    reference, session = real_models.onnx_runtime(tmp_path / "model.onnx"), accordion.compile(made, threads=1)
    for feed in feeds:
        for y, expected in zip(session.run(None, feed), reference(feed), strict=True):
            assert y.dtype == expected.dtype and y.shape == expected.shape
            distance = np.abs(y.astype(np.int64) - expected.astype(np.int64))
            assert distance.max(initial=0) <= 1 and np.count_nonzero(distance) <= share * y.size


def constants(kind, **scales):
    """A scale and a zero point for each name."""
    values = {}
    for i, (name, scale) in enumerate(scales.items()):
        values[f"{name}s"] = F32(scale)
        values[f"{name}z"] = kind(5 * i - 3 if kind is np.int8 else 120 + 5 * i)
    return values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("shapes", [((2, 3, 17, 9), (2, 3, 17, 9)), ((2, 3, 5, 7), (3, 1, 1)), ((4, 33), ())])
def test_two_operands(op, kind, shapes, accordion, tmp_path):
    number, code = KINDS[kind]
    node = helper.make_node(op, ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["y"], domain="com.microsoft")
    values = constants(number, a=0.021, b=0.05, y=0.06 if op == "QLinearAdd" else 0.09)
    dynamic = ["n", *shapes[0][1:]]
    inputs = {"a": (code, dynamic), "b": (code, shapes[1] if shapes[1] != shapes[0] else dynamic)}
    made = model(node, inputs, values, {"y": (code, dynamic)})
    rng = seeded(op, kind, str(shapes))
    compare(accordion, tmp_path, made, [{"a": whole(rng, number, shapes[0]), "b": whole(rng, number, shapes[1])}])


UNARY = {
    "QLinearSigmoid": ({}, 1 / 256),
    "QLinearLeakyRelu": ({"alpha": 0.2}, 0.03),
    "QLinearSoftmax": ({"axis": -1, "opset": 17}, 1 / 256),
    "QLinearGlobalAveragePool": ({}, 0.011),
    "QLinearAveragePool": ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, 0.0213),
    "QLinearAveragePool, padding counts": ({"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1}, 0.0213),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", UNARY)
def test_one_operand(name, kind, accordion, tmp_path):
    op, (attributes, scale) = name.split(",")[0], UNARY[name]
    number, code = KINDS[kind]
    node = helper.make_node(op, ["x", "xs", "xz", "ys", "yz"], ["y"], domain="com.microsoft", **attributes)
    values = constants(number, x=0.03, y=scale)
    made = model(node, {"x": (code, ["n", 6, 13, 19])}, values, {"y": (code, [None] * 4)})
    feeds = [{"x": whole(seeded(name, kind, batch), number, (batch, 6, 13, 19))} for batch in (1, 3)]
    compare(accordion, tmp_path, made, feeds)


def test_global_average_of_large_planes(accordion, tmp_path):
    """Sums that f32 cannot count one by one."""
    node = helper.make_node("QLinearGlobalAveragePool", ["x", "xs", "xz", "ys", "yz"], ["y"], domain="com.microsoft")
    inputs, outputs = {"x": (TensorProto.UINT8, [1, 3, 300, 300])}, {"y": (TensorProto.UINT8, [1, 3, 1, 1])}
    made = model(node, inputs, constants(np.uint8, x=0.03, y=0.011), outputs)
    compare(accordion, tmp_path, made, [{"x": whole(seeded("large"), np.uint8, (1, 3, 300, 300))}])


@pytest.mark.parametrize("kind", KINDS)
def test_concat(kind, accordion, tmp_path):
    number, code = KINDS[kind]
    names = ["ys", "yz", "a", "as", "az", "b", "bs", "bz", "c", "cs", "cz"]
    node = helper.make_node("QLinearConcat", names, ["y"], domain="com.microsoft", axis=1)
    values = constants(number, y=0.05, a=0.05, b=0.021, c=0.11)
    inputs = {name: (code, ["n", size, 7]) for name, size in zip("abc", (3, 1, 5))}
    made = model(node, inputs, values, {"y": (code, [None] * 3)})
    rng = seeded("concat", kind)
    feed = {name: whole(rng, number, (2, size, 7)) for name, size in zip("abc", (3, 1, 5))}
    compare(accordion, tmp_path, made, [feed])


def test_where(accordion, tmp_path):
    node = helper.make_node("QLinearWhere", ["c", "a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["y"], domain="com.microsoft")
    inputs = {"c": (TensorProto.BOOL, ["n", 40]), "a": (TensorProto.UINT8, ["n", 40]), "b": (TensorProto.UINT8, [40])}
    made = model(node, inputs, constants(np.uint8, a=0.02, b=0.05, y=0.06), {"y": (TensorProto.UINT8, [None] * 2)})
    rng = seeded("where")
    feed = {"c": rng.integers(0, 2, (5, 40)).astype(bool)}
    feed |= {"a": whole(rng, np.uint8, (5, 40)), "b": whole(rng, np.uint8, (40,))}
    compare(accordion, tmp_path, made, [feed])


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("is_float", [False, True])
def test_gemm(per_column, transposed, is_float, accordion, tmp_path):
    rng = seeded("gemm", per_column)
    w = rng.integers(-127, 128, (70, 33) if transposed else (33, 70)).astype(np.int8)
    count = (70,) if per_column else ()
    values = {
        "as": F32(0.02), "az": np.uint8(7), "w": w,
        "ws": rng.uniform(0.005, 0.01, count).astype(F32), "wz": np.zeros(count, np.int8),
        "c": rng.integers(-9999, 9999, 70).astype(np.int32), "ys": F32(0.04), "yz": np.uint8(101),
    }  # fmt: skip
    inputs = ["a", "as", "az", "w", "ws", "wz", "c"] + ([] if is_float else ["ys", "yz"])
    node = helper.make_node("QGemm", inputs, ["y"], domain="com.microsoft", transB=transposed)
    kind = TensorProto.FLOAT if is_float else TensorProto.UINT8
    values = {name: value for name, value in values.items() if name in inputs}
    made = model(node, {"a": (TensorProto.UINT8, ["n", 33])}, values, {"y": (kind, [None, 70])})
    feed = {"a": whole(rng, np.uint8, (9, 33))}
    if not is_float:
        return compare(accordion, tmp_path, made, [feed])
    onnx.save(made, tmp_path / "model.onnx")
    (y,) = accordion.compile(made, threads=1).run(None, feed)
    (expected,) = real_models.onnx_runtime(tmp_path / "model.onnx")(feed)
    assert np.allclose(y, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_a_network_of_the_quantiser(accordion, tmp_path):
    """Convolutions with a way around, pooled and classified, from quantize_static in its QOperator format."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    rng = seeded("network")

    def weights(*shape):
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(F32)

    values = {"w1": weights(8, 3, 3, 3), "b1": weights(8, 1)[:, 0], "w2": weights(8, 8, 3, 3)}
    values |= {"w3": weights(10, 16), "b3": weights(10, 1)[:, 0]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1] * 4),
        helper.make_node("LeakyRelu", ["c1"], ["r1"], alpha=0.1),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1] * 4),
        helper.make_node("Add", ["c2", "r1"], ["sum"]),
        helper.make_node("Sigmoid", ["c2"], ["gate"]),
        helper.make_node("Mul", ["sum", "gate"], ["gated"]),
        helper.make_node("Concat", ["gated", "r1"], ["both"], axis=1),
        helper.make_node("AveragePool", ["both"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["small"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["y"], transB=1),
    ]
    plain = model(nodes, {"x": (TensorProto.FLOAT, [1, 3, 20, 24])}, values, {"y": (TensorProto.FLOAT, [1, 10])}, opset=13)
    onnx.save(plain, tmp_path / "plain.onnx")

    class Reader(quantization.CalibrationDataReader):
        feeds = iter([{"x": rng.standard_normal((1, 3, 20, 24)).astype(F32)} for _ in range(8)])

        def get_next(self):
            return next(self.feeds, None)

    quantization.quantize_static(
        tmp_path / "plain.onnx", tmp_path / "model.onnx", Reader(), quant_format=quantization.QuantFormat.QOperator,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8, per_channel=False,
    )  # fmt: skip
    quantised = onnx.load(tmp_path / "model.onnx")
    written = {node.op_type for node in quantised.graph.node if node.domain == "com.microsoft"}
    assert {"QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearConcat", "QGemm"} <= written
    session, reference = accordion.compile(quantised, threads=1), real_models.onnx_runtime(tmp_path / "model.onnx")
    for _ in range(3):
        x = rng.standard_normal((1, 3, 20, 24)).astype(F32)
        (y,), (expected,) = session.run(None, {"x": x}), reference({"x": x})
        step = np.ptp(expected) / 100
        assert y.shape == expected.shape and np.abs(y - expected).max() <= 2 * step


def refusal(tools, tmp_path, node, values, dims):
    made = model(node, {"x": (TensorProto.UINT8, dims)}, values, {"y": (TensorProto.UINT8, [None] * len(dims))})
    onnx.save(made, tmp_path / "model.onnx")
    return tools.refuse("ac-compile", tmp_path / "model.onnx", "-o", tmp_path / "m.so")


def test_refuses_channels_last(tools, tmp_path):
    node = helper.make_node(
        "QLinearGlobalAveragePool", ["x", "xs", "xz", "ys", "yz"], ["y"], name="mean", domain="com.microsoft", channels_last=1
    )
    said = refusal(tools, tmp_path, node, constants(np.uint8, x=0.03, y=0.011), [1, 9, 9, 4])
    assert "node `mean` (com.microsoft.QLinearGlobalAveragePool) has channels_last = 1, expected 0" in said


def test_refuses_incomplete_concat(tools, tmp_path):
    node = helper.make_node("QLinearConcat", ["ys", "yz", "x", "xs"], ["y"], name="join", domain="com.microsoft", axis=1)
    said = refusal(tools, tmp_path, node, constants(np.uint8, x=0.03, y=0.011), [1, 9])
    assert "node `join` (com.microsoft.QLinearConcat) has 4 inputs, expected a scale" in said
