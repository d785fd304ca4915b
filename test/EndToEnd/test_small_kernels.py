"""Products of small numbers by Halide: MLIR's kernels are the oracle. Sums of bytes are the same to the bit; products of f32
by weights of four and eight bits multiply the same numbers, so they differ by less than the rounding of a sum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from programs import seeded
from real_models.graph import FLOAT, Graph
from test_kernels import build, cache, generator, near, run  # noqa: F401
from test_narrow_products import TYPES, integers, products_of_bytes
from test_quantized_products import DEQUANTIZED, N_BITS, dequantized, matmul_n_bits, rows_of

ROWS = [0, 1, 2, 5, 6, 7, 97, 197]
# depth, columns; depths and columns that fill no group, vector or panel.
SHAPES = [(1, 1), (3, 7), (31, 33), (64, 64), (130, 100)]
# Bytes on this machine, where Halide has its dot instructions, and without any.
MARCHES = ["x86-64-v3"] + ["native"] * ("avx512_vbmi2" in Path("/proc/cpuinfo").read_text())


def sessions(tools, accordion, tmp_path, cache, model, *flags, kernels=None, threads=2):  # noqa: F811
    """By MLIR and by Halide, which makes `kernels` kernels, if given, and some otherwise."""
    opened = []
    for name in ("mlir", "halide"):
        path, counts = build(tools, model, tmp_path, cache, name, *flags)
        count = counts["found"] + counts["made"]
        assert count == (0 if name == "mlir" else kernels) if kernels is not None else (count > 0) == (name == "halide")
        opened.append(accordion.load(str(path), threads=threads))
    return opened


# ---------------------------------------------------------------- weights of four and eight bits


def check_weights(tools, accordion, tmp_path, cache, model, matrix, *flags):  # noqa: F811
    depth, columns = matrix.shape
    wide = matrix.astype(np.float64)
    # One kernel for few rows, and one for rows that share an unpacked panel.
    mlir, halide = sessions(tools, accordion, tmp_path, cache, model, *flags, kernels=2)
    for count in ROWS:
        x = rows_of(count, depth, "kernels")
        bound = np.abs(x).astype(np.float64) @ np.abs(wide) * (depth + 2) * 2**-24
        (got,), (want,) = halide.run(None, {"x": x}), mlir.run(None, {"x": x})
        assert got.shape == want.shape == (count, columns)
        assert (np.abs(got - x.astype(np.float64) @ wide) <= bound + 1e-30).all()
        if count:
            near(got, want)
            # Alone, with a few, and among many.
            np.testing.assert_array_equal(halide.run(None, {"x": x[-1:]})[0][0], got[-1])
            np.testing.assert_array_equal(halide.run(None, {"x": x[-3:]})[0], got[-3:])
    special = rows_of(9, depth, "special")
    special[1, 0], special[3, depth - 1], special[4, depth // 2] = np.nan, np.inf, -np.inf
    for rows in (special, special[:5]):
        (got,), (want,) = halide.run(None, {"x": rows}), mlir.run(None, {"x": rows})
        assert np.isfinite(np.delete(got, [1, 3, 4], 0)).all()
        assert np.array_equal(np.isnan(got), np.isnan(want)) and np.array_equal(np.isinf(got), np.isinf(want))


@pytest.mark.parametrize("case", N_BITS, ids=lambda case: "x".join(map(str, case)))
def test_matmul_n_bits(tools, accordion, tmp_path, cache, case):  # noqa: F811
    check_weights(tools, accordion, tmp_path, cache, *matmul_n_bits(*case))


@pytest.mark.parametrize("case", [(100, 96, 32, 4, True), (33, 75, 16, 4, False), (65, 260, 256, 8, True)])
def test_narrow_vectors(tools, accordion, tmp_path, cache, case):  # noqa: F811
    check_weights(tools, accordion, tmp_path, cache, *matmul_n_bits(*case), "--march=x86-64-v3")


@pytest.mark.parametrize("name", [name for name in DEQUANTIZED if name != "offsets"])
def test_dequantize_linear(tools, accordion, tmp_path, cache, name):  # noqa: F811
    check_weights(tools, accordion, tmp_path, cache, *dequantized(*DEQUANTIZED[name]))


@pytest.mark.parametrize("element", [np.float16, np.float32])
def test_epilogues_of_weights(tools, accordion, tmp_path, cache, element):  # noqa: F811
    """Bias, activation and residual; scales of both widths."""
    model, matrix = matmul_n_bits(70, 96, 32, 4, True)
    graph, bias = model.graph, seeded("bias").standard_normal(70).astype(np.float32)
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor).astype(element).astype(np.float32)
            factor = values / onnx.numpy_helper.to_array(tensor)
            matrix = matrix * np.repeat(factor.T, 32, axis=0)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    graph.node[0].output[0] = "product"
    graph.initializer.append(onnx.numpy_helper.from_array(bias, "bias"))
    for op, inputs, output in [("Add", ["product", "bias"], "v"), ("Relu", ["v"], "u"), ("Add", ["u", "r"], "y")]:
        graph.node.append(helper.make_node(op, inputs, [output], op))
    graph.input.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, ["m", 70]))
    mlir, halide = sessions(tools, accordion, tmp_path, cache, model, kernels=2)
    for count in ROWS:
        feed = {"x": rows_of(count, 96, "x"), "r": rows_of(count, 70, "r")}
        (got,), (want,) = halide.run(None, feed), mlir.run(None, feed)
        near(got, want)
        near(got, np.maximum(feed["x"] @ matrix + bias, 0) + feed["r"])


def test_picked_rows(tools, accordion, tmp_path, cache):  # noqa: F811
    """Rows are read where they are."""
    model, _ = matmul_n_bits(70, 96, 32, 4, False)
    graph = model.graph
    graph.input.append(helper.make_tensor_value_info("rows", TensorProto.INT64, ["k"]))
    graph.node.insert(0, helper.make_node("Gather", ["x", "rows"], ["picked"], "pick", axis=0))
    graph.node[1].input[0] = "picked"
    mlir, halide = sessions(tools, accordion, tmp_path, cache, model, kernels=2)
    x = rows_of(50, 96, "picked")
    for rows in ([], [49], [3, 3, 0], range(0, 50, 2)):
        feed = {"x": x, "rows": np.array(rows, np.int64)}
        near(halide.run(None, feed)[0], mlir.run(None, feed)[0])


def test_picked_rows_of_bytes(tools, accordion, tmp_path, cache):  # noqa: F811
    g, w = Graph(), integers(seeded("picked"), np.int8, 50, 70)
    g("MatMulInteger", g("Gather", "x", "rows", axis=0), w, outputs="y")
    inputs = {"x": (TensorProto.INT8, ["m", 50]), "rows": (TensorProto.INT64, ["k"])}
    model = g.model("p", inputs, {"y": (TensorProto.INT32, ["k", 70])}, opset=21, ir=10)
    (halide,) = sessions(tools, accordion, tmp_path, cache, model, f"--march={MARCHES[-1]}", kernels=1)[1:]
    x = integers(seeded("x"), np.int8, 40, 50)
    for rows in ([], [39], [3, 3, 0], list(range(0, 40, 2))):
        want = x[np.array(rows, np.int64)].astype(np.int64) @ w.astype(np.int64)
        assert np.array_equal(halide.run(None, {"x": x, "rows": np.array(rows, np.int64)})[0], want)


def test_offsets_are_left_alone(tools, accordion, tmp_path, cache):  # noqa: F811
    model, matrix = dequantized(*DEQUANTIZED["offsets"])
    (halide,) = sessions(tools, accordion, tmp_path, cache, model, kernels=0)[1:]
    x = rows_of(9, len(matrix), "offsets")
    near(halide.run(None, {"x": x})[0], x.astype(np.float64) @ matrix)


def test_rounded_rows_are_left_alone(tools, accordion, tmp_path, cache):  # noqa: F811
    """Rows of bf16, which tiles multiply, are MLIR's; where none are rounded, Halide takes the product."""
    model, _ = matmul_n_bits(70, 96, 32, 4, True)
    model.graph.node[0].attribute.append(helper.make_attribute("accuracy_level", 4))
    for march, kernels in [("sapphirerapids", 0), ("x86-64-v4", 2)]:
        _, counts = build(tools, model, tmp_path, cache, "halide", f"--march={march}")
        assert counts["found"] + counts["made"] == kernels


# ---------------------------------------------------------------- products of bytes


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("zeros", ["none", "columns"])
@pytest.mark.parametrize("left", TYPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("right", TYPES, ids=lambda kind: kind.__name__)
def test_products_of_bytes(tools, accordion, tmp_path, cache, left, right, zeros, march):  # noqa: F811
    model, cases = products_of_bytes(SHAPES, left, right, zeros)
    rng = seeded(left, right, zeros)
    mlir, halide = sessions(tools, accordion, tmp_path, cache, model, f"--march={march}")
    for count in ROWS:
        feed = {name: integers(rng, left, count, depth) for name, (depth, _, _) in cases.items()}
        for got, want, (name, (_, za, w)) in zip(halide.run(None, feed), mlir.run(None, feed), cases.items()):
            assert got.dtype == np.int32 and np.array_equal(got, want)
            assert np.array_equal(got, (feed[name].astype(np.int64) - za) @ w), (name, count)


@pytest.mark.parametrize("left", TYPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("right", TYPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("march", MARCHES)
def test_sums_wrap(tools, accordion, tmp_path, cache, left, right, march):  # noqa: F811
    """Depths at which 32 bits do not hold the sum, one of them with a last group that is not full: modulo 2^32."""
    for depth in (140000, 140003):
        g, most = Graph(), {kind: np.iinfo(kind).max if kind is np.uint8 else np.iinfo(kind).min for kind in TYPES}
        g("MatMulInteger", "x", np.full((depth, 2), most[right], right), outputs="y")
        model = g.model("p", {"x": (TYPES[left], ["m", depth])}, {"y": (TensorProto.INT32, ["m", 2])}, opset=21, ir=10)
        path, _ = build(tools, model, tmp_path, cache, "halide", f"--march={march}")
        want = np.int64(depth * int(most[left]) * int(most[right])).astype(np.int32)
        assert (run(accordion, path, {"x": np.full((1, depth), most[left], left)}) == want).all()


def requantised(kind):
    """A chain as quantisers write it: scaled, with a bias and Relu; requantised; or in QLinearMatMul."""
    rng, g = seeded("requantised"), Graph()
    w = integers(rng, np.int8, 75, 90)
    scale, bias = rng.uniform(0.001, 0.01, 90).astype(np.float32), rng.standard_normal(90).astype(np.float32)
    element, result = TensorProto.UINT8, FLOAT
    if kind == "scaled":
        sums = g("Cast", g("MatMulInteger", "x", w, np.uint8(120), np.int8(3)), to=FLOAT)
        g("Relu", g("Add", g("Mul", sums, scale), bias), outputs="y")
    elif kind == "linear":
        one = np.float32(0.01), np.int8(0), np.float32(2.5), np.uint8(100)
        g("QLinearMatMul", "x", np.float32(0.05), np.uint8(120), w, *one, outputs="y")
        result = TensorProto.UINT8
    else:
        wide = g("DequantizeLinear", w, scale, axis=1)
        sums = g("Add", g("MatMul", g("DequantizeLinear", "x", np.float32(0.05), np.uint8(120)), wide), bias)
        small = g("QuantizeLinear", sums, np.float32(0.2), np.uint8(110))
        g("DequantizeLinear", small, np.float32(0.2), np.uint8(110), outputs="y")
    return g.model("p", {"x": (element, ["m", 75])}, {"y": (result, ["m", 90])}, opset=21, ir=10)


@pytest.mark.parametrize("march", MARCHES)
@pytest.mark.parametrize("kind", ["scaled", "linear"])
def test_epilogues_of_bytes(tools, accordion, tmp_path, cache, kind, march):  # noqa: F811
    """What follows sums of bytes rounds in the same places, but where MLIR fuses a product with a sum."""
    mlir, halide = sessions(tools, accordion, tmp_path, cache, requantised(kind), f"--march={march}", kernels=1)
    for count in ROWS:
        x = integers(seeded(count), np.uint8, count, 75)
        (got,), (want,) = halide.run(None, {"x": x}), mlir.run(None, {"x": x})
        assert got.dtype == want.dtype
        if kind == "scaled":
            near(got, want)
        else:
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "march, kernels",
    [("x86-64-v3", 1), ("x86-64-v4", 1), ("cascadelake", 0), ("icelake-server", 1), ("alderlake", 0), ("sapphirerapids", 1)],
)
def test_machines(tools, tmp_path, cache, march, kernels):  # noqa: F811
    """Halide needs more for groups of bytes than Cascade Lake has, and does not use AVX-VNNI: those stay MLIR's."""
    _, counts = build(tools, requantised("linear"), tmp_path, cache, "halide", f"--march={march}")
    assert counts["found"] + counts["made"] == kernels


def test_epilogues_of_one_rounding(tools, tmp_path, cache):  # noqa: F811
    """QuantizeLinear by a constant needs a product and a sum to be rounded once, which Halide does not promise."""
    _, counts = build(tools, requantised("between"), tmp_path, cache, "halide")
    assert counts["found"] + counts["made"] == 0


def test_epilogues_without_a_name(tools, accordion, tmp_path, cache):  # noqa: F811
    """What a description of a kernel cannot say stays MLIR's."""
    g, w = Graph(), integers(seeded("unnamed"), np.int8, 40, 70)
    sums = g("MatMulInteger", "x", w)
    g("BitShift", g("Cast", sums, to=TensorProto.UINT32), np.uint32(3), direction="RIGHT", outputs="y")
    model = g.model("p", {"x": (TensorProto.UINT8, ["m", 40])}, {"y": (TensorProto.UINT32, ["m", 70])}, opset=21, ir=10)
    path, counts = build(tools, model, tmp_path, cache)
    assert counts["found"] + counts["made"] == 0
    x = integers(seeded("x"), np.uint8, 9, 40)
    want = (x.astype(np.int64) @ w.astype(np.int64)).astype(np.uint32) >> 3
    np.testing.assert_array_equal(run(accordion, path, {"x": x}), want)


# ---------------------------------------------------------------- the tuner


def test_small_products_are_measured(tools, accordion, tmp_path):
    """By kind of operands: equal sizes are not equal work."""
    folder, g = tmp_path / "cache", Graph()
    rng = seeded("tuned")
    q = integers(rng, np.int8, 64, 96)
    four, scale = (q >> 4).astype(np.int8), rng.uniform(0.001, 0.01, (2, 96)).astype(np.float32)
    for i, weights in enumerate((four, q)):
        g("MatMul", "x", g("DequantizeLinear", weights, scale, axis=0, block_size=32), outputs=f"y{i}")
    g("MatMulInteger", "b", q, outputs="y2")
    inputs = {"x": (FLOAT, [5, 64]), "b": (TensorProto.UINT8, [5, 64])}
    outputs = {"y0": (FLOAT, [5, 96]), "y1": (FLOAT, [5, 96]), "y2": (TensorProto.INT32, [5, 96])}
    model = g.model("p", inputs, outputs, opset=21, ir=10)
    path, _ = build(tools, model, tmp_path, folder, "auto", "--tune")
    told = sorted(file.read_bytes().split(b"\n")[1] for file in folder.glob("*.choice"))
    kinds = (b"by 4 bits in blocks of 32", b"by 8 bits in blocks of 32", b"of ui8 by i8")
    assert len(told) == 3 and all(text.endswith(kind) for text, kind in zip(told, kinds))
    assert all(file.read_bytes().split(b"\n")[-1] in (b"mlir", b"halide") for file in folder.glob("*.choice"))
    # Whatever was found, the answer is the same.
    plain, _ = build(tools, model, tmp_path, folder, "mlir")
    feed = {"x": rows_of(5, 64, "tuned"), "b": integers(rng, np.uint8, 5, 64)}
    tuned, want = (accordion.load(str(p), threads=1).run(None, feed) for p in (path, plain))
    for got, expected in zip(tuned[:2], want[:2]):
        near(got, expected)
    np.testing.assert_array_equal(tuned[2], want[2])
    _, counts = build(tools, model, tmp_path, folder, "auto", "--tune")
    assert counts["made"] == 0
