"""Convolutions of bytes against exact sums in numpy, and against ONNX Runtime. On every kind of instructions for bytes that
this machine has, and without any."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
from conftest import assert_as_onnx_runtime
from onnx import TensorProto
from programs import seeded
from real_models.graph import FLOAT, Graph
from test_grouped_products import DTYPES, TARGETS, flags, lowered, tensor_type, whole

TARGETS = {"x86-64-v3": {"avx2"}, **{name: TARGETS[name] for name in ("icelake-server", "sapphirerapids")}}


@pytest.fixture(params=TARGETS)
def march(request):
    if missing := TARGETS[request.param] - flags():
        pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
    return request.param


@dataclass(frozen=True)
class Case:
    channels: int
    outputs: int
    sizes: tuple
    kernel: tuple
    strides: tuple = ()
    pads: tuple = ()
    dilations: tuple = ()
    group: int = 1
    signs: str = "u8 s8"  # of image and weights
    zero: int = 3  # of the image
    weights_zero: str = ""  # of the weights: none, one, or one for each channel
    batches: tuple = (1,)
    scale: float = 1.0
    attributes: dict = field(init=False, hash=False, compare=False)

    def __post_init__(self):
        rank = len(self.kernel)
        given = {"strides": self.strides, "dilations": self.dilations}
        attributes = {name: list(value or (1,) * rank) for name, value in given.items()}
        attributes |= {"pads": list(self.pads or (0,) * 2 * rank), "group": self.group, "kernel_shape": list(self.kernel)}
        object.__setattr__(self, "attributes", attributes)


CASES = {
    "one_tap": Case(70, 33, (9, 11), (1, 1), batches=(1, 3)),
    "one_tap_strided": Case(12, 20, (9, 12), (1, 1), strides=(2, 2)),
    "one_tap_padded": Case(12, 20, (5, 7), (1, 1), pads=(1, 0, 2, 1)),
    "taps": Case(64, 64, (20, 56), (3, 3), pads=(1, 1, 1, 1)),
    "tiny_rows": Case(19, 40, (7, 7), (3, 3), pads=(1, 1, 1, 1), batches=(0, 1, 3)),
    "rows_of_fourteen": Case(8, 70, (14, 14), (3, 3), pads=(1, 1, 1, 1), batches=(2,)),
    "not_padded": Case(5, 6, (12, 40), (3, 5), batches=(1, 2)),
    "strided": Case(7, 34, (21, 45), (3, 3), strides=(2, 2), pads=(1, 1, 1, 1), batches=(1, 3)),
    "stride_of_three": Case(3, 8, (30, 31), (7, 7), strides=(3, 3), pads=(3, 2, 1, 0)),
    "dilated": Case(10, 9, (17, 33), (3, 3), dilations=(2, 3), pads=(2, 3, 2, 3)),
    "dilated_strided": Case(6, 9, (18, 33), (3, 2), strides=(1, 2), dilations=(2, 3), pads=(0, 1, 3, 2)),
    "asymmetric": Case(6, 9, (11, 13), (2, 3), pads=(0, 2, 1, 0), zero=250),
    "signed": Case(9, 17, (10, 19), (3, 3), pads=(1, 1, 1, 1), signs="s8 s8", zero=-100),
    "unsigned": Case(9, 17, (10, 19), (3, 3), pads=(1, 1, 1, 1), signs="u8 u8", weights_zero="one"),
    "far_zero_points": Case(9, 18, (10, 19), (3, 3), pads=(1, 1, 1, 1), signs="u8 u8", weights_zero="channels"),
    "signed_by_unsigned": Case(9, 18, (10, 19), (3, 3), pads=(1, 1, 1, 1), signs="s8 u8", weights_zero="channels"),
    "groups": Case(12, 18, (10, 19), (3, 3), pads=(1, 1, 1, 1), group=3, batches=(1, 2)),
    "groups_far_zero_points": Case(12, 18, (8, 9), (3, 3), pads=(1, 1, 1, 1), group=3, signs="u8 u8", weights_zero="channels"),
    "depthwise": Case(12, 12, (10, 19), (3, 3), pads=(1, 1, 1, 1), group=12, batches=(0, 2)),
    "depthwise_strided": Case(12, 24, (10, 19), (5, 5), strides=(2, 2), pads=(2, 2, 2, 2), group=12, signs="u8 u8", weights_zero="channels"),
    "depthwise_many_taps": Case(3, 3, (40, 40), (17, 17), pads=(8, 8, 8, 8), group=3, zero=255),
    "depthwise_wide": Case(5, 5, (12, 75), (3, 3), pads=(1, 1, 1, 1), group=5, batches=(0, 1)),
    "depthwise_wide_signed": Case(4, 4, (9, 64), (3, 3), pads=(1, 1, 1, 1), group=4, signs="s8 s8", zero=-100),
    "depthwise_wide_strided": Case(5, 5, (13, 131), (3, 3), strides=(2, 2), pads=(1, 1, 1, 1), group=5, batches=(0, 2)),
    "depthwise_strided_signed": Case(5, 5, (12, 130), (3, 3), strides=(2, 2), pads=(0, 0, 1, 1), group=5, signs="s8 s8", zero=-7),
    "depthwise_strided_not_padded": Case(4, 4, (15, 70), (3, 3), strides=(2, 2), group=4, zero=200),
    "depthwise_strided_at_zero": Case(4, 4, (15, 70), (3, 3), strides=(2, 2), pads=(1, 1, 1, 1), group=4, zero=0),
    "depthwise_strided_taps": Case(3, 6, (20, 90), (5, 5), strides=(2, 2), pads=(2, 2, 2, 2), group=3),
    "depthwise_strided_unsigned": Case(4, 4, (9, 69), (3, 3), strides=(1, 2), pads=(1, 1, 1, 1), group=4, signs="u8 u8", weights_zero="channels"),
    "depthwise_dilated": Case(4, 8, (20, 67), (3, 3), dilations=(2, 3), pads=(2, 3, 2, 3), group=4, signs="u8 u8", weights_zero="channels"),
    "depthwise_dilated_strided": Case(4, 4, (20, 77), (3, 2), strides=(2, 2), dilations=(3, 2), pads=(3, 1, 2, 2), group=4, signs="s8 u8", weights_zero="one"),
    "depthwise_stride_of_three": Case(4, 4, (20, 100), (3, 3), strides=(3, 3), pads=(1, 1, 1, 1), group=4),
    "depthwise_signal": Case(6, 6, (150,), (3,), strides=(2,), pads=(1, 1), group=6, batches=(0, 1)),
    "signal": Case(5, 8, (100,), (9,), pads=(4, 4), batches=(0, 1, 3)),
    "signal_strided": Case(5, 8, (99,), (4,), strides=(2,), pads=(1, 2)),
    "signal_not_padded": Case(40, 33, (130,), (3,), batches=(1, 2)),
    "volume": Case(3, 8, (6, 7, 9), (3, 3, 2), strides=(1, 2, 1), pads=(1, 1, 0, 1, 0, 1), batches=(1, 2)),
    "one_position": Case(20, 30, (3, 3), (3, 3), batches=(1, 4)),
    "strips": Case(130, 40, (40, 50), (3, 3), pads=(1, 1, 1, 1), batches=(1, 2)),
    "one_tap_strips": Case(300, 50, (50, 60), (1, 1), batches=(1, 2)),
    "saturating": Case(64, 16, (8, 9), (3, 3), pads=(1, 1, 1, 1), scale=40.0),
}  # fmt: skip


def operands(case, batch=1, sizes=None):
    image, weights = (DTYPES[sign] for sign in case.signs.split())
    rng = seeded(str(case), batch)
    x = whole(rng, image, (batch, case.channels, *(sizes or case.sizes)))
    rng = seeded(str(case))
    w = whole(rng, weights, (case.outputs, case.channels // case.group, *case.kernel))
    zw = {"": None, "one": weights(120), "channels": whole(rng, weights, case.outputs)}[case.weights_zero]
    bias = rng.integers(-9999, 10000, case.outputs).astype(np.int32)
    return x, w, image(case.zero), zw, bias


def sums(case, x, w, zx, zw):
    """In i64."""
    attributes, rank = case.attributes, len(case.kernel)
    pads = attributes["pads"]
    centred = np.pad(x.astype(np.int64) - int(zx), [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])])
    weights = w.astype(np.int64)
    if zw is not None:
        weights -= zw.astype(np.int64).reshape(-1, *[1] * (rank + 1)) if zw.ndim else int(zw)
    extents = [(k - 1) * d + 1 for k, d in zip(case.kernel, attributes["dilations"])]
    counts = [(size - e) // s + 1 for size, e, s in zip(centred.shape[2:], extents, attributes["strides"])]
    result = np.zeros((x.shape[0], case.group, w.shape[0] // case.group, *counts), np.int64)
    weights = weights.reshape(case.group, -1, *weights.shape[1:])
    image = (x.shape[0], case.group, weights.shape[2])
    for tap in itertools.product(*map(range, case.kernel)):
        first = [t * d for t, d in zip(tap, attributes["dilations"])]
        at = tuple(slice(f, f + (n - 1) * s + 1, s) for f, n, s in zip(first, counts, attributes["strides"]))
        seen = centred[(slice(None), slice(None), *at)].reshape(*image, *counts)
        result += np.einsum("ngc...,goc->ngo...", seen, weights[(..., *tap)])
    return result.reshape(x.shape[0], case.outputs, *counts)


def dims(x, dynamic):
    return ["n", x.shape[1], *([f"d{i}" for i in range(x.ndim - 2)] if dynamic else x.shape[2:])]


def integer_model(case, dynamic=False):
    x, w, zx, zw, _ = operands(case)
    g = Graph()
    g("ConvInteger", "x", w, zx, zw, outputs="y", **case.attributes)
    rank = [None] * len(case.kernel)
    return g.model("c", {"x": (tensor_type(x.dtype), dims(x, dynamic))}, {"y": (TensorProto.INT32, [None, None, *rank])}, 10, 10)


@pytest.mark.parametrize("name", CASES)
def test_integers(name, accordion, march):
    case = CASES[name]
    # Sizes that are known while compiling are those of the tests below.
    session = accordion.compile(integer_model(case, dynamic=True), threads=2, march=march)
    for batch in case.batches:
        for more in (0, 5):
            x, w, zx, zw, _ = operands(case, batch, [size + more for size in case.sizes])
            (y,) = session.run(None, {"x": x})
            assert y.dtype == np.int32 and np.array_equal(y, sums(case, x, w, zx, zw)), (batch, more)


def scales(case, per_channel):
    rng = seeded(str(case), "scales")
    sw = rng.uniform(0.5, 1.5, case.outputs if per_channel else ()).astype(np.float32)
    # The result then fills its range; scaled, it leaves it.
    spread = np.sqrt(case.channels // case.group * np.prod(case.kernel)) * 73 * 73 * 3 / 127 / case.scale
    return np.float32(0.02), sw, np.float32(0.02 * spread)


def quantised_model(case, per_channel, dynamic=False):
    x, w, zx, zw, bias = operands(case)
    zw = np.broadcast_to(w.dtype.type(0) if zw is None else zw, case.outputs).copy() if per_channel else zw
    sx, sw, sy = scales(case, per_channel)
    result = x.dtype.type(case.zero // 2)
    g = Graph()
    zw = w.dtype.type(0) if zw is None else zw
    g("QLinearConv", "x", sx, zx, w, sw, zw, sy, result, bias, outputs="y", **case.attributes)
    rank = [None] * len(case.kernel)
    return g.model("q", {"x": (tensor_type(x.dtype), dims(x, dynamic))}, {"y": (tensor_type(x.dtype), [None, None, *rank])}, 10, 10)


@pytest.mark.parametrize("name", CASES)
def test_requantised(name, accordion, march):
    case = CASES[name]
    # Zero points for each channel go with scales for each; else every other case has them.
    per_channel = case.weights_zero == "channels" or list(CASES).index(name) % 2 == 0
    session = accordion.compile(quantised_model(case, per_channel), threads=1, march=march)
    for batch in case.batches:
        x, w, zx, zw, bias = operands(case, batch)
        sx, sw, sy = scales(case, per_channel)
        exact = sums(case, x, w, zx, zw) + bias.reshape(-1, *[1] * len(case.kernel))
        factor = sx * sw / sy
        factor = factor.reshape(-1, *[1] * len(case.kernel)) if per_channel else factor
        info = np.iinfo(x.dtype)
        expected = np.clip(np.rint(exact.astype(np.float32) * factor) + case.zero // 2, info.min, info.max)
        (y,) = session.run(None, {"x": x})
        assert y.dtype == x.dtype and np.array_equal(y, expected), batch
        assert not y.size or case.scale == 1.0 or {info.min, info.max} <= set(y.reshape(-1).tolist())


# ONNX Runtime saturates sums of two products on processors without these instructions, and has no convolution of some cases.
needs_sums = pytest.mark.skipif("avx512_vnni" not in flags(), reason="ONNX Runtime saturates sums of two products here")
SHARED = ["one_tap", "taps", "strided", "dilated", "asymmetric", "unsigned", "groups", "depthwise", "saturating", "signed"]
SHARED += [name for name in CASES if name.startswith("depthwise_") and "u8 u8" != CASES[name].signs != "s8 u8"]


@needs_sums
@pytest.mark.parametrize("name", SHARED)
def test_as_onnx_runtime(name, accordion, tmp_path):
    case = CASES[name]
    for per_channel in (False, True):
        x, *_ = operands(case)
        assert_as_onnx_runtime(accordion, quantised_model(case, per_channel), [{"x": x}], tmp_path)


def dequantised_model(case, per_channel, bias="whole", between=None, quantised=True, low=0):
    """What onnxruntime.quantization.quantize_static writes: everything dequantised in front of a convolution of floats."""
    x, w, zx, zw, whole_bias = operands(case)
    sx, sw, sy = scales(case, per_channel)
    axis = {"axis": 0} if per_channel else {}
    g = Graph()
    image = g("DequantizeLinear", "x", sx, zx)
    weights = g("DequantizeLinear", w, sw, np.zeros(sw.shape, w.dtype), **axis)
    added = {
        "whole": lambda: g("DequantizeLinear", whole_bias, np.asarray(sx * sw, np.float32), np.zeros(sw.shape, np.int32), **axis),
        "floats": lambda: (whole_bias * (sx * sw)).astype(np.float32),
        "none": lambda: None,
    }[bias]()
    y = g("Conv", image, weights, added, **case.attributes)
    if between == "Relu":
        y = g("Relu", y)
    elif between == "Clip":
        y = g("Clip", y, np.float32(-20 * sy), np.float32(30.4 * sy))
    kind = tensor_type(x.dtype)
    if quantised:
        y = g("QuantizeLinear", y, sy, x.dtype.type(case.zero // 2 + low))
    g.nodes[-1].output[0] = "y"
    rank = [None] * len(case.kernel)
    return g.model("dq", {"x": (kind, dims(x, False))}, {"y": (kind if quantised else FLOAT, [None, None, *rank])}, 13, 10)


def expected_floats(case, per_channel, batch, bias):
    """In float64, and the bound of the float form's error."""
    x, w, zx, _, whole_bias = operands(case, batch)
    sx, sw, sy = scales(case, per_channel)
    factor = np.float64(sx) * sw.astype(np.float64)
    trailing = [1] * len(case.kernel)
    factor = factor.reshape(-1, *trailing) if per_channel else factor
    exact = sums(case, x, w, zx, None).astype(np.float64)
    return (exact + (0 if bias == "none" else whole_bias.reshape(-1, *trailing))) * factor, sy


DEQUANTISED = ["one_tap", "taps", "strided", "asymmetric", "signed", "groups", "depthwise", "volume", "signal", "saturating"]


@pytest.mark.parametrize("name", DEQUANTISED)
def test_dequantised(name, accordion, march):
    """Bytes again: those of the exact number, or their neighbours where that is near the middle."""
    case = CASES[name]
    for per_channel, bias, between in [(False, "whole", None), (True, "whole", "Relu"), (True, "floats", "Clip")]:
        session = accordion.compile(dequantised_model(case, per_channel, bias, between, low=5), threads=1, march=march)
        for batch in case.batches:
            x, *_ = operands(case, batch)
            exact, sy = expected_floats(case, per_channel, batch, bias)
            exact = {None: exact, "Relu": np.maximum(exact, 0), "Clip": np.clip(exact, -20 * sy, 30.4 * sy)}[between]
            info = np.iinfo(x.dtype)
            place = exact / sy
            (y,) = session.run(None, {"x": x})
            zero = case.zero // 2 + 5
            assert y.dtype == x.dtype and y.shape == exact.shape
            low, high = (np.clip(np.rint(place + shift) + zero, info.min, info.max) for shift in (-2e-3, 2e-3))
            assert ((low <= y) & (y <= high)).all(), (per_channel, bias, between, batch)


@pytest.mark.parametrize("bias", ["whole", "floats", "none"])
def test_dequantised_to_floats(bias, accordion, march):
    case = CASES["taps"]
    for per_channel in (False, True):
        model = dequantised_model(case, per_channel, bias, quantised=False)
        (y,) = accordion.compile(model, threads=1, march=march).run(None, {"x": operands(case)[0]})
        exact, _ = expected_floats(case, per_channel, 1, bias)
        assert y.dtype == np.float32 and np.allclose(y, exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())


# With Clip, it computes in floats.
@needs_sums
@pytest.mark.parametrize("between", [None, "Relu"])
@pytest.mark.parametrize("name", ["one_tap", "taps", "signed", "strided"])
def test_dequantised_as_onnx_runtime(name, between, accordion, tmp_path):
    for per_channel in (False, True):
        model = dequantised_model(CASES[name], per_channel, between=between)
        x, *_ = operands(CASES[name])
        assert_as_onnx_runtime(accordion, model, [{"x": x}], tmp_path)


def test_is_one_product(tools, tmp_path):
    """From bytes to bytes, and no float of a whole image in between."""
    for between in (None, "Relu", "Clip"):
        text = lowered(tools, tmp_path, dequantised_model(CASES["taps"], True, between=between), "sapphirerapids")
        assert text.count("ac.contract") == 1 and "x56xf32" not in text and "math.fma" not in text
    text = lowered(tools, tmp_path, dequantised_model(CASES["taps"], True), "x86-64-v3")
    assert "math.fma" in text and "xi32" not in text.split("ac.contract")[1].split("->")[0]


def test_is_grouped(tools, tmp_path):
    """Lines of bytes, strips of them, and the requantisation in the epilogue."""
    text = lowered(tools, tmp_path, quantised_model(CASES["strips"], True), "sapphirerapids")
    assert "rhs_starts(" in text and "scf.for" in text and text.count("ac.contract") == 1
    assert "x40x?x50xi8>" in text.split("ac.contract")[1]


def test_refuses_zero_points_of_channels(tools, tmp_path):
    model = integer_model(CASES["one_tap"])
    zero = next(t for t in model.graph.initializer if t.data_type == TensorProto.UINT8 and not t.dims)
    zero.CopyFrom(onnx.numpy_helper.from_array(np.arange(70, dtype=np.uint8), zero.name))
    onnx.save(model, tmp_path / "model.onnx")
    assert "expected one for the whole tensor" in tools.refuse("ac-compile", tmp_path / "model.onnx", "-o", tmp_path / "m.so")
