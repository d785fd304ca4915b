"""Products of small numbers that come in groups (docs/performance.md): whole numbers against numpy, exactly; bf16 against
float64. Each on every kind of instructions that this machine has, and without any."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from programs import seeded

ROWS = [0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 513, 530]
# What a target needs beyond AVX-512, as the system names it.
TARGETS = {
    "x86-64-v4": {"avx512vl", "avx512bw"},
    "alderlake": {"avx_vnni", "gfni", "movdiri"},
    "icelake-server": {"avx512_vnni", "avx512_vbmi2"},
    "cooperlake": {"avx512_vnni", "avx512_bf16"},
    "sapphirerapids": {"amx_tile", "amx_int8", "amx_bf16", "avx512_fp16"},
}
DTYPES = {"u8": np.uint8, "s8": np.int8}
# depth, columns: that fill no group, no tile, no panel; of one element; of several panels for a task.
SHAPES = [(64, 32), (768, 96), (67, 45), (1, 1), (3, 17), (130, 100), (257, 33), (62, 64), (70, 600)]


def flags():
    text = Path("/proc/cpuinfo").read_text()
    return set(text.split("flags", 1)[1].split("\n", 1)[0].split()) if "flags" in text else set()


@pytest.fixture(params=TARGETS)
def march(request):
    if missing := TARGETS.get(request.param, set()) - flags():
        pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
    return request.param


def whole(rng, dtype, shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def exact(a, b):
    return (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int32)


def build(nodes, inputs, outputs, weights):
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()],
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def tensor_type(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def integer_model(dtype, *weights, rank=2):
    """A product of an input of its own by each matrix."""
    inputs, outputs, nodes, named = {}, {}, [], {}
    for i, matrix in enumerate(weights):
        dims = lambda last: ["b", "m", last][3 - rank :]
        inputs[f"x{i}"] = tensor_type(dtype), dims(matrix.shape[-2])
        outputs[f"y{i}"] = TensorProto.INT32, dims(matrix.shape[-1])
        nodes.append(helper.make_node("MatMulInteger", [f"x{i}", f"w{i}"], [f"y{i}"]))
        named[f"w{i}"] = matrix
    return build(nodes, inputs, outputs, named)


@pytest.mark.parametrize("signs", ["u8 s8", "s8 s8", "u8 u8", "s8 u8"])
def test_whole_numbers(accordion, march, signs):
    left, right = (DTYPES[sign] for sign in signs.split())
    rng = seeded("whole", signs)
    weights = [whole(rng, right, shape) for shape in SHAPES]
    model = integer_model(left, *weights)
    ours, two = (accordion.compile(model, threads=n, march=march) for n in (1, 2))
    for count in ROWS:
        feeds = {f"x{i}": whole(rng, left, (count, matrix.shape[0])) for i, matrix in enumerate(weights)}
        results = ours.run(None, feeds)
        for x, matrix, y, of_two in zip(feeds.values(), weights, results, two.run(None, feeds)):
            assert np.array_equal(y, exact(x, matrix)), (matrix.shape, count)
            assert np.array_equal(of_two, y)


@pytest.mark.parametrize("signs", ["u8 s8", "s8 s8", "u8 u8", "s8 u8"])
def test_extremes(accordion, march, signs):
    """Nothing saturates, and sums wrap around."""
    left, right = (DTYPES[sign] for sign in signs.split())
    depth = 70000
    for x_value, w_value in [(np.iinfo(left).min, np.iinfo(right).min), (np.iinfo(left).max, np.iinfo(right).max)]:
        x, weights = np.full((3, depth), x_value, left), np.full((depth, 18), w_value, right)
        weights[::7] -= weights.dtype.type(1)
        (y,) = accordion.compile(integer_model(left, weights), threads=1, march=march).run(None, {"x0": x})
        assert np.array_equal(y, exact(x, weights))


def test_batches(accordion, march):
    rng = seeded("batches")
    weights = whole(rng, np.int8, (5, 70, 40))
    session = accordion.compile(integer_model(np.uint8, weights, rank=3), threads=1, march=march)
    for count in (1, 20, 70):
        x = whole(rng, np.uint8, (5, count, 70))
        assert np.array_equal(session.run(None, {"x0": x})[0], exact(x, weights))


@pytest.mark.parametrize("signs", ["u8 s8", "s8 s8", "u8 u8", "s8 u8"])
def test_two_inputs(accordion, march, signs):
    """The columns are brought into groups at run time."""
    left, right = (DTYPES[sign] for sign in signs.split())
    rng = seeded("two", signs)
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"])
    inputs = {"x": (tensor_type(left), ["b", "m", "k"]), "w": (tensor_type(right), ["b", "k", "n"])}
    session = accordion.compile(build([node], inputs, {"y": (TensorProto.INT32, ["b", "m", "n"])}, {}), threads=2, march=march)
    for b, m, k, n in [
        (1, 1, 1, 1),
        (2, 3, 5, 7),
        (3, 17, 70, 33),
        (1, 40, 128, 100),
        (2, 4, 0, 5),
        (2, 0, 4, 5),
        (0, 3, 4, 5),
    ]:
        x, w = whole(rng, left, (b, m, k)), whole(rng, right, (b, k, n))
        assert np.array_equal(session.run(None, {"x": x, "w": w})[0], exact(x, w)), (b, m, k, n)


def lowered(tools, tmp_path, model, march):
    onnx.save(model, tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=kernels", "--march", march, "-o", tmp_path / "k.mlir")
    return (tmp_path / "k.mlir").read_text()


def test_is_grouped(tools, tmp_path):
    model = integer_model(np.uint8, whole(seeded("grouped"), np.int8, (70, 40)))
    assert "group = 4" in lowered(tools, tmp_path, model, "sapphirerapids")
    assert "group = 4" in lowered(tools, tmp_path, model, "icelake-server")
    assert "group" not in lowered(tools, tmp_path, model, "x86-64-v4")


@pytest.mark.parametrize("depth", [64, 75])
def test_rows_that_stand_apart(accordion, tools, tmp_path, march, depth):
    """Rows whose gate is open are gathered, multiplied and put back."""
    rng = seeded("apart", depth)
    weights = whole(rng, np.int8, (depth, depth))
    nodes = [
        helper.make_node("MatMulInteger", ["x", "w"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["gate", "half"], ["open"]),
        helper.make_node("Where", ["open", "f", "otherwise"], ["y"]),
    ]
    model = build(
        nodes,
        {
            "x": (TensorProto.INT8, ["m", depth]),
            "gate": (TensorProto.FLOAT, ["m", 1]),
            "otherwise": (TensorProto.FLOAT, ["m", depth]),
        },
        {"y": (TensorProto.FLOAT, ["m", depth])},
        {"w": weights, "half": np.float32(0.5)},
    )
    text = lowered(tools, tmp_path, model, march)
    assert "lhs_rows(" in text and "out_rows(" in text
    session = accordion.compile(model, threads=1, march=march)
    for count in (1, 5, 40, 70):
        for share in (0.0, 0.4, 1.0):
            x, otherwise = whole(rng, np.int8, (count, depth)), rng.random((count, depth)).astype(np.float32)
            gate = (rng.random((count, 1)) < share).astype(np.float32)
            expected = np.where(gate > 0.5, exact(x, weights).astype(np.float32), otherwise)
            (y,) = session.run(None, {"x": x, "gate": gate, "otherwise": otherwise})
            assert np.array_equal(y, expected), (count, share)


def test_steps_that_stand_apart(accordion, march):
    """A lhs whose rows are columns in memory."""
    rng = seeded("transposed")
    weights = whole(rng, np.int8, (75, 40))
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
        helper.make_node("MatMulInteger", ["t", "w"], ["y"]),
    ]
    inputs = {"x": (TensorProto.UINT8, [75, "m"])}
    model = build(nodes, inputs, {"y": (TensorProto.INT32, ["m", 40])}, {"w": weights})
    session = accordion.compile(model, threads=1, march=march)
    for count in (1, 33):
        x = whole(rng, np.uint8, (75, count))
        assert np.array_equal(session.run(None, {"x": x})[0], exact(x.T, weights))


def test_epilogue(accordion, march):
    """What follows the product runs on its sums: a scale, a bias, an activation."""
    rng = seeded("epilogue")
    weights = whole(rng, np.int8, (70, 40))
    bias = rng.standard_normal(40).astype(np.float32)
    nodes = [
        helper.make_node("MatMulInteger", ["x", "w"], ["p"]),
        helper.make_node("Cast", ["p"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "scale"], ["s"]),
        helper.make_node("Add", ["s", "bias"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    scale = np.float32(2**-9)
    model = build(
        nodes,
        {"x": (TensorProto.UINT8, ["m", 70])},
        {"y": (TensorProto.FLOAT, ["m", 40])},
        {"w": weights, "scale": scale, "bias": bias},
    )
    session = accordion.compile(model, threads=1, march=march)
    for count in (1, 9, 50):
        x = whole(rng, np.uint8, (count, 70))
        expected = np.maximum(exact(x, weights) * scale + bias, 0)
        np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-6, atol=1e-6)


def to_bf16(values):
    """The nearest of bf16, ties to even, as float32."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def bf16_model(*weights):
    inputs, outputs, nodes, named = {}, {}, [], []
    for i, matrix in enumerate(weights):
        named.append(helper.make_tensor(f"w{i}", TensorProto.BFLOAT16, matrix.shape, matrix.flatten().tolist()))
        nodes += [
            helper.make_node("Cast", [f"x{i}"], [f"small{i}"], to=TensorProto.BFLOAT16),
            helper.make_node("MatMul", [f"small{i}", f"w{i}"], [f"p{i}"]),
            helper.make_node("Cast", [f"p{i}"], [f"y{i}"], to=TensorProto.FLOAT),
        ]
        inputs[f"x{i}"] = TensorProto.FLOAT, ["m", matrix.shape[0]]
        outputs[f"y{i}"] = TensorProto.FLOAT, ["m", matrix.shape[1]]
    model = build(nodes, inputs, outputs, {})
    model.graph.initializer.extend(named)
    return model


def test_bf16(accordion, march):
    rng = seeded("bf16")
    weights = [to_bf16(rng.standard_normal(shape)) for shape in SHAPES]
    ours, two = (accordion.compile(bf16_model(*weights), threads=n, march=march) for n in (1, 2))
    for count in ROWS:
        feeds = {f"x{i}": to_bf16(rng.standard_normal((count, matrix.shape[0]))) for i, matrix in enumerate(weights)}
        results = ours.run(None, feeds)
        alone = ours.run(None, {name: x[-1:] for name, x in feeds.items()}) if count else results
        for x, matrix, y, of_two, row in zip(feeds.values(), weights, results, two.run(None, feeds), alone):
            reference, size = x.astype(np.float64) @ matrix, np.abs(x).astype(np.float64) @ np.abs(matrix)
            # Each sum is rounded to f32, and the result to bf16.
            bound = size * (len(matrix) + 2) * 2**-24 + np.abs(reference) * 2**-8 + 1e-30
            assert (np.abs(y - reference) <= bound).all(), (matrix.shape, count)
            assert np.array_equal(of_two, y)
            assert not count or np.array_equal(row[0], y[-1])  # alone as among others


def test_bf16_specials(accordion, march):
    """What is no number stays in its row, also where the depth is filled up."""
    session = accordion.compile(bf16_model(np.ones((70, 20), np.float32)), threads=1, march=march)
    x = np.ones((20, 70), np.float32)
    x[3, 0], x[5, 69], x[19, 30] = np.nan, np.inf, -np.inf
    (y,) = session.run(None, {"x0": x})
    assert np.isnan(y[3]).all() and (y[5] == np.inf).all() and (y[19] == -np.inf).all()
    assert (np.delete(y, [3, 5, 19], 0) == 70).all()


# Has the system refuse `arch_prctl`, by which tile registers are asked for, as a container may; then opens a model.
REFUSED = """
import ctypes, struct, sys
libc = ctypes.CDLL(None)
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 158), (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)]  # number 158: EPERM, others: allow
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(steps), ctypes.addressof(code)))) == 0
import accordion
accordion.load(sys.argv[1])
"""


def test_tiles_are_refused(accordion, tmp_path):
    if missing := TARGETS["sapphirerapids"] - flags():
        pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
    model = integer_model(np.uint8, whole(seeded("refused"), np.int8, (70, 40)))
    for march, message in [("sapphirerapids", "tile registers (AMX)"), ("icelake-server", "")]:
        accordion.compile(model, threads=1, march=march, output=tmp_path / f"{march}.so")
        done = subprocess.run(
            [sys.executable, "-c", REFUSED, tmp_path / f"{march}.so"],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert message in done.stderr and bool(done.returncode) == bool(message), done.stderr
