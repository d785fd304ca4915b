"""Operators that ONNX Runtime's fusions leave in a model, against its own answers, at opsets that have what they are made
of and at such that have not.

pytest test/EndToEnd/test_fused_operators.py --build build/release
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import real_models
from onnx import TensorProto, helper, numpy_helper
from programs import seeded

F32 = np.float32
ROWS, WIDTH = (2, 5), 48
OPSETS = [11, 16, 17, 20]


def model(nodes, feeds, constants, outputs, opset):
    def info(name, array):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)

    graph = helper.make_graph(
        nodes if isinstance(nodes, list) else [nodes],
        "g",
        [info(name, array) for name, array in feeds.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def node(op, inputs, outputs, domain="com.microsoft", **attributes):
    return helper.make_node(op, inputs, outputs, name=f"the_{op}", domain=domain, **attributes)


def compare(accordion, tmp_path, made, feeds, bound=2e-6):
    onnx.save(made, tmp_path / "model.onnx")
    expected = real_models.onnx_runtime(tmp_path / "model.onnx")(feeds)
    got = accordion.compile(made, threads=1).run(None, feeds)
    for y, wanted in zip(got, expected, strict=True):
        assert y.dtype == wanted.dtype and y.shape == wanted.shape
        wide = wanted.astype(np.float64)
        assert np.abs(y - wide).max(initial=0) <= bound * max(1, np.abs(wide).max(initial=0))


def floats(*shape, scale=1.0, kind=F32):
    return (scale * seeded("fused", *shape).normal(0, 1, shape)).astype(kind)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("form", ["plain", "beta", "bias", "sum", "broadcast"])
def test_skip_layer_normalization(form, opset, accordion, tmp_path):
    feeds = {"x": floats(*ROWS, WIDTH), "skip": floats(*(ROWS if form != "broadcast" else (1, ROWS[1])), WIDTH, scale=2)}
    constants = {"gamma": floats(WIDTH), "beta": floats(WIDTH, 1)[:, 0], "bias": floats(WIDTH, 2)[:, 0]}
    inputs = ["x", "skip", "gamma"] + {"plain": [], "beta": ["beta"]}.get(form, ["beta", "bias"])
    outputs = {"y": 1, "s": 1} if form == "sum" else {"y": 1}
    made = node("SkipLayerNormalization", inputs, ["y", "", "", "s"] if form == "sum" else ["y"], epsilon=1e-5)
    used = {name: constants[name] for name in inputs if name in constants}
    compare(accordion, tmp_path, model(made, feeds, used, outputs, opset), feeds)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("form", ["plain", "bias", "sum"])
def test_skip_simplified_layer_normalization(form, opset, accordion, tmp_path):
    feeds = {"x": floats(*ROWS, WIDTH), "skip": floats(*ROWS, WIDTH, scale=2)}
    constants = {"gamma": floats(WIDTH)} | ({} if form == "plain" else {"bias": floats(WIDTH, 2)[:, 0]})
    made = node(
        "SkipSimplifiedLayerNormalization",
        ["x", "skip", *constants],
        ["y", "", "", "s"] if form == "sum" else ["y"],
        epsilon=1e-6,
    )
    outputs = {"y": 1, "s": 1} if form == "sum" else {"y": 1}
    compare(accordion, tmp_path, model(made, feeds, constants, outputs, opset), feeds)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("op", ["SimplifiedLayerNormalization", "LayerNormalization"])
def test_normalizations_of_no_opset(op, opset, accordion, tmp_path):
    feeds, constants = {"x": floats(*ROWS, WIDTH)}, {"scale": floats(WIDTH)}
    if op == "LayerNormalization":
        constants["bias"] = floats(WIDTH, 1)[:, 0]
    made = node(op, ["x", *constants], ["y"], domain="", axis=-1, epsilon=1e-5)
    compare(accordion, tmp_path, model(made, feeds, constants, {"y": 1}, opset), feeds)


def test_halves_are_normalized_in_floats(accordion, tmp_path):
    feeds = {"x": floats(*ROWS, WIDTH, kind=np.float16), "skip": floats(*ROWS, WIDTH, scale=2, kind=np.float16)}
    made = node("SkipSimplifiedLayerNormalization", ["x", "skip", "gamma"], ["y"], epsilon=1e-6)
    constants = {"gamma": floats(WIDTH, kind=np.float16)}
    compare(accordion, tmp_path, model(made, feeds, constants, {"y": TensorProto.FLOAT16}, 14), feeds, 2e-3)


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("form", ["plain", "segments", "positions", "mask"])
def test_embed_layer_normalization(form, opset, accordion, tmp_path):
    rng = seeded("embed")
    ids = rng.integers(0, 11, (2, 7)).astype(np.int32)
    feeds = {"ids": ids}
    constants = {"words": floats(11, WIDTH), "places": floats(9, WIDTH, 1)[..., 0]}
    constants |= {"gamma": floats(WIDTH), "beta": floats(WIDTH, 1)[:, 0]}
    inputs = ["ids", "", "words", "places", "", "gamma", "beta"]
    outputs, names = {"y": 1}, ["y", "count"]
    if form == "plain":
        names = ["y", ""]  # ONNX Runtime wants a place for both
    else:
        inputs[1], inputs[4] = "segments", "kinds"
        feeds["segments"] = rng.integers(0, 2, (2, 7)).astype(np.int32)
        constants["kinds"] = floats(2, WIDTH)
    if form in ("positions", "mask"):
        feeds["mask"] = (np.arange(7) < np.array([[4], [7]])).astype(np.int32)
        inputs.append("mask")
        outputs["count"] = TensorProto.INT32
    if form == "positions":
        feeds["position_ids"] = rng.integers(0, 9, (2, 7)).astype(np.int32)
        inputs.append("position_ids")
    if form == "segments":
        names = ["y", "", "s"]
        outputs["s"] = 1
    made = node("EmbedLayerNormalization", inputs, names, epsilon=1e-6)
    compare(accordion, tmp_path, model(made, feeds, constants, outputs, opset), feeds)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("op", ["Gelu", "FastGelu", "FastGelu with a bias", "BiasGelu", "QuickGelu"])
def test_gelu(op, opset, accordion, tmp_path):
    feeds = {"x": floats(*ROWS, WIDTH, scale=3)}
    has_bias = "ias" in op
    constants = {"bias": floats(WIDTH)} if has_bias else {}
    attributes = {"alpha": 1.5} if op == "QuickGelu" else {}
    made = node(op.split()[0], ["x", *constants], ["y"], **attributes)
    compare(accordion, tmp_path, model(made, feeds, constants, {"y": 1}, opset), feeds, 4e-6)


@pytest.mark.parametrize("turns", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("alpha", [1.0, 0.125])
def test_fused_matmul(alpha, turns, accordion, tmp_path):
    shapes = [(2, 3, 5, 8), (2, 3, 8, 6)]
    feeds = {}
    for name, shape, turn in zip("ab", shapes, turns):
        feeds[name] = floats(*shape[:2], *(reversed(shape[2:]) if turn else shape[2:]))
    made = node("FusedMatMul", ["a", "b"], ["y"], transA=turns[0], transB=turns[1], alpha=alpha)
    compare(accordion, tmp_path, model(made, feeds, {}, {"y": 1}, 13), feeds)


ACTIVATIONS = {
    "Relu": [],
    "Tanh": [],
    "Sigmoid": [],
    "LeakyRelu": [0.2],
    "HardSigmoid": [0.3, 0.4],
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fused_gemm(activation, accordion, tmp_path):
    feeds, constants = {"x": floats(5, 8)}, {"w": floats(6, 8), "c": floats(6)}
    attributes = dict(zip(["activation_alpha", "activation_beta"], ACTIVATIONS[activation]))
    made = node("FusedGemm", ["x", *constants], ["y"], transB=1, alpha=0.5, activation=activation, **attributes)
    compare(accordion, tmp_path, model(made, feeds, constants, {"y": 1}, 13), feeds)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "Clip"])
@pytest.mark.parametrize("adds", [False, True])
def test_fused_conv(adds, activation, accordion, tmp_path):
    feeds, constants = {"x": floats(1, 3, 9, 9)}, {"w": floats(8, 3, 3, 3), "b": floats(8)}
    inputs = ["x", "w", "b"]
    if adds:
        feeds["z"] = floats(1, 8, 5, 5)
        inputs.append("z")
    parameters = ACTIVATIONS.get(activation, [-0.5, 1.5])
    attributes = {"activation_params": parameters} if parameters else {}
    made = node("FusedConv", inputs, ["y"], strides=[2, 2], pads=[1] * 4, activation=activation, **attributes)
    compare(accordion, tmp_path, model(made, feeds, constants, {"y": 1}, 13), feeds)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("is_dynamic", [False, True])
@pytest.mark.parametrize("each", ["tensor", "column"])
def test_products_of_bytes(each, is_dynamic, kind, accordion, tmp_path):
    rng = seeded("bytes")
    columns = (33,) if each == "column" else ()
    constants = {
        "w": rng.integers(0, 120, (WIDTH, 33)).astype(kind),
        "ws": rng.uniform(0.01, 0.02, columns).astype(F32),
        "wz": np.full(columns, 5, kind),
        "bias": floats(33),
    }
    if is_dynamic:
        feeds = {"x": floats(*ROWS, WIDTH)}
        made = node("DynamicQuantizeMatMul", ["x", "w", "ws", "wz", "bias"], ["y"])
    else:
        feeds = {"x": rng.integers(0, 256, (*ROWS, WIDTH)).astype(np.uint8)}
        constants |= {"xs": F32(0.03), "xz": np.uint8(131)}
        made = node("MatMulIntegerToFloat", ["x", "w", "xs", "ws", "xz", "wz", "bias"], ["y"])
    compare(accordion, tmp_path, model(made, feeds, constants, {"y": 1}, 13), feeds)


def test_refusals(accordion):
    x = {"x": floats(*ROWS, WIDTH)}
    gamma = {"gamma": floats(WIDTH)}
    with pytest.raises(accordion.Error, match="the_SkipLayerNormalization.*output 1.*training"):
        accordion.compile(
            model(node("SkipLayerNormalization", ["x", "x", "gamma"], ["y", "m"]), x, gamma, {"y": 1, "m": 1}, 17)
        )
    with pytest.raises(accordion.Error, match="the_FusedMatMul.*transBatchA"):
        accordion.compile(model(node("FusedMatMul", ["x", "x"], ["y"], transBatchA=1), x, {}, {"y": 1}, 17))
    with pytest.raises(accordion.Error, match="the_FusedGemm.*activation 'Softmax', expected Relu"):
        made = node("FusedGemm", ["gamma", "gamma"], ["y"], activation="Softmax")
        accordion.compile(model(made, {}, {"gamma": floats(4, 4)}, {"y": 1}, 17))
    with pytest.raises(accordion.Error, match="the_SimplifiedLayerNormalization.*axis = 1.*expected -1"):
        made = node("SimplifiedLayerNormalization", ["x", "gamma"], ["y"], domain="", axis=1)
        accordion.compile(model(made, x, gamma, {"y": 1}, 13))
