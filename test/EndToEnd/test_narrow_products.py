"""Products of bytes and of small floats against numpy: bytes to the bit, small floats within the bound of f32 sums."""

from __future__ import annotations

import platform

import ml_dtypes
import numpy as np
import onnx
import pytest
import real_models
from onnx import TensorProto, helper
from programs import seeded
from real_models.graph import FLOAT, Graph

TYPES = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}
ROWS = [0, 1, 2, 6, 7, 13, 97]
# depth, columns; depths and columns that fill no word, vector or panel.
SHAPES = [(1, 1), (3, 7), (4, 16), (31, 33), (64, 64), (130, 100), (300, 130)]
TARGETS = ["native"] + (["x86-64-v3"] if platform.machine() == "x86_64" else [])


def integers(rng, kind, *shape):
    info = np.iinfo(kind)
    values = np.array(rng.integers(info.min, info.max + 1, shape), kind)
    if values.size > 1:
        values.flat[0], values.flat[-1] = info.min, info.max  # both ends
    return values


def model_of(g, x, y, more=()):
    return g.model("product", {"x": x, **dict(more)}, {"y": y}, opset=21, ir=10)


# Zero points: of the left operand, of the right one, of both; one for all, or for each row and column.
ZEROS = {"none": (), "left": ("one",), "both": ("one", "one"), "right": (None, "each"), "columns": ("one", "each")}


def products_of_bytes(shapes_of_weights, left, right, zeros):
    """A model of products by weights of these shapes; and by input the depth, the zero point of rows, and the weights."""
    g, cases, inputs, outputs = Graph(), {}, {}, {}
    for depth, columns in shapes_of_weights:
        rng, name = seeded(depth, columns, zeros), f"{depth}x{columns}"
        w = integers(rng, right, depth, columns)
        shapes = {"one": (), "each": (columns,)}
        points = [integers(rng, kind, *shapes[z]) if z else None for z, kind in zip(ZEROS[zeros], (left, right))]
        g("MatMulInteger", f"x{name}", w, *points, outputs=f"y{name}")
        inputs[f"x{name}"], outputs[f"y{name}"] = (TYPES[left], ["m", depth]), (TensorProto.INT32, ["m", columns])
        za, zb = (np.int64(0) if p is None else p.astype(np.int64) for p in (*points, None, None)[:2])
        cases[f"x{name}"] = (depth, za, w.astype(np.int64) - zb)
    return g.model("products", inputs, outputs, opset=21, ir=10), cases


@pytest.mark.parametrize("march, zeros", [("native", zeros) for zeros in ZEROS] + [(t, "columns") for t in TARGETS[1:]])
@pytest.mark.parametrize("left", TYPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("right", TYPES, ids=lambda kind: kind.__name__)
def test_matmul_integer(left, right, zeros, march, accordion):
    model, cases = products_of_bytes(SHAPES, left, right, zeros)
    rng, session = seeded(left, right, zeros), accordion.compile(model, threads=2, march=march)
    for count in ROWS:
        feed = {name: integers(rng, left, count, depth) for name, (depth, _, _) in cases.items()}
        for (name, (_, za, w)), y in zip(cases.items(), session.run(None, feed)):
            assert y.dtype == np.int32 and np.array_equal(y, (feed[name].astype(np.int64) - za) @ w), (name, count)


def test_matmul_integer_of_two_inputs(accordion):
    """Neither operand is constant, batches broadcast, and zero points are inputs, one of them for each row."""
    rng, g = seeded("inputs"), Graph()
    g("MatMulInteger", "x", "w", "zx", "zw", outputs="y")
    more = {"w": (TensorProto.INT8, [3, 19, "n"]), "zx": (TensorProto.UINT8, ["m"]), "zw": (TensorProto.INT8, ["n"])}
    model = model_of(g, (TensorProto.UINT8, [2, 1, "m", 19]), (TensorProto.INT32, [2, 3, "m", "n"]), more)
    session = accordion.compile(model, threads=2)
    for m, n in ((1, 1), (7, 20), (13, 65)):
        feed = {"x": integers(rng, np.uint8, 2, 1, m, 19), "w": integers(rng, np.int8, 3, 19, n)}
        feed |= {"zx": integers(rng, np.uint8, m), "zw": integers(rng, np.int8, n)}
        wide = {name: value.astype(np.int64) for name, value in feed.items()}
        want = (wide["x"] - wide["zx"][:, None]) @ (wide["w"] - wide["zw"])
        assert np.array_equal(session.run(None, feed)[0], want)


def test_sums_wrap(accordion):
    """A depth at which 32 bits do not hold the sum: modulo 2^32."""
    depth, g = 70000, Graph()
    g("MatMulInteger", "x", np.full((depth, 2), 255, np.uint8), outputs="y")
    session = accordion.compile(model_of(g, (TensorProto.UINT8, ["m", depth]), (TensorProto.INT32, ["m", 2])), threads=1)
    want = np.int64(depth * 255 * 255).astype(np.int32)
    assert (session.run(None, {"x": np.full((1, depth), 255, np.uint8)})[0] == want).all()


@pytest.mark.parametrize("per_column", [False, True])
def test_dynamic_quantisation(per_column, accordion, tools, tmp_path):
    """What onnxruntime.quantization.quantize_dynamic writes, in its own arithmetic; it is one product with an epilogue."""
    rng, g, depth, columns = seeded("dynamic"), Graph(), 70, 90
    w, bias = integers(rng, np.int8, depth, columns), rng.standard_normal(columns).astype(np.float32)
    scale = rng.uniform(0.001, 0.01, columns if per_column else ()).astype(np.float32)
    zero = np.zeros(scale.shape, np.int8)
    q, sx, zx = g("DynamicQuantizeLinear", "x", outputs=3)
    sums = g("Cast", g("MatMulInteger", q, w, zx, zero), to=FLOAT)
    g("Add", bias, g("Mul", sums, g("Mul", sx, scale)), outputs="y")
    model = model_of(g, (FLOAT, ["b", "m", depth]), (FLOAT, ["b", "m", columns]))
    onnx.save(model, tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=kernels", "-o", tmp_path / "kernels.mlir")
    kernels = (tmp_path / "kernels.mlir").read_text()
    product = next(line for line in kernels.splitlines() if "= ac.contract packed" in line)
    assert "lhs_unsigned" in product and product.split("outs(")[1].split(")")[0].endswith("xf32>")
    session, reference = accordion.compile(model, threads=2), real_models.onnx_runtime(tmp_path / "model.onnx")
    for count in (1, 7, 40):
        x = rng.standard_normal((2, count, depth)).astype(np.float32) + np.float32(0.5)
        low, high = min(x.min(), 0), max(x.max(), 0)
        step = np.float32((high - low) / np.float32(255))
        point = np.clip(np.rint(-low / step), 0, 255)
        whole = np.clip(np.rint(x / step) + point, 0, 255).astype(np.int64) - int(point)
        want = (whole @ w.astype(np.int64)) * (step.astype(np.float64) * scale) + bias
        (y,) = session.run(None, {"x": x})
        assert np.abs(y - want).max() <= 1e-5 * np.abs(want).max()
        assert np.abs(y - reference({"x": x})[0]).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("gemm", [False, True])
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_static_quantisation(kind, gemm, accordion, tools, tmp_path):
    """Two dequantised operands: three roundings away from the exact product, whatever the depth."""
    rng, depth, columns = seeded("static"), 301, 70
    for per_column in (False, True):
        g = Graph()
        w, zw = integers(rng, kind, depth, columns), kind(3)
        sw = rng.uniform(0.001, 0.01, columns if per_column else ()).astype(np.float32)
        zw = np.full(sw.shape, zw, kind)
        sx, zx = np.float32(0.0371), np.uint8(120)
        x = g("DequantizeLinear", "x", sx, zx)
        if gemm:
            right = g("DequantizeLinear", np.ascontiguousarray(w.T), sw, zw, **({"axis": 0} if per_column else {}))
            g("Gemm", x, right, transB=1, outputs="y")
        else:
            g("MatMul", x, g("DequantizeLinear", w, sw, zw, **({"axis": 1} if per_column else {})), outputs="y")
        model = model_of(g, (TensorProto.UINT8, ["m", depth]), (FLOAT, ["m", columns]))
        onnx.save(model, tmp_path / "model.onnx")
        tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=kernels", "-o", tmp_path / "kernels.mlir")
        assert "xi8>) extras" in (tmp_path / "kernels.mlir").read_text()
        session = accordion.compile(model, threads=1)
        for count in ROWS:
            feed = integers(rng, np.uint8, count, depth)
            whole = (feed.astype(np.int64) - int(zx)) @ (w.astype(np.int64) - zw.astype(np.int64))
            want = whole * (np.float64(sx) * sw)
            assert (np.abs(session.run(None, {"x": feed})[0] - want) <= 4 * 2.0**-24 * np.abs(want)).all()


def test_weights_by_cast_and_scale(accordion, tools, tmp_path):
    """`Mul(Cast(w), scale)` keeps its bytes, in a product and in a table of which rows are taken."""
    rng, g, depth, columns = seeded("cast"), Graph(), 70, 90
    w, table = integers(rng, np.int8, depth, columns), integers(rng, np.int8, 500, depth)
    scale = rng.uniform(0.001, 0.01, (1, columns)).astype(np.float32)
    each = rng.uniform(0.001, 0.01, (500, 1)).astype(np.float32)
    rows = g("Gather", g("Mul", g("Cast", table, to=FLOAT), each), "at", axis=0)
    g("MatMul", rows, g("Mul", g("Cast", w, to=FLOAT), scale), outputs="y")
    model = g.model("w8", {"at": (TensorProto.INT64, ["b", "m"])}, {"y": (FLOAT, ["b", "m", columns])}, 20, 9)
    onnx.save(model, tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "-o", tmp_path / "model.so")
    at = rng.integers(0, 500, (2, 9))
    rows = table.astype(np.float32) * each
    want = rows[at].astype(np.float64) @ (w.astype(np.float32) * scale).astype(np.float64)
    (y,) = accordion.compile(model, threads=1).run(None, {"at": at})
    assert np.abs(y - want).max() <= 1e-5 * np.abs(want).max()
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=optimize", "-o", tmp_path / "optimized.mlir")
    optimized = (tmp_path / "optimized.mlir").read_text()
    assert f"{columns}x{depth}xi8>" in optimized and f"tensor<500x{depth}xi8>" in optimized
    assert f"tensor<500x{depth}xf32>" not in optimized and f"tensor<{depth}x{columns}xf32>" not in optimized


@pytest.mark.parametrize("march", TARGETS)
@pytest.mark.parametrize("kind", [ml_dtypes.bfloat16, np.float16], ids=lambda kind: np.dtype(kind).name)
def test_small_floats(kind, march, accordion):
    """Sums in f32, rounded once to the type of the result; constant weights, and both operands inputs."""
    proto = {"bfloat16": TensorProto.BFLOAT16, "float16": TensorProto.FLOAT16}[np.dtype(kind).name]
    digits = {"bfloat16": 8, "float16": 11}[np.dtype(kind).name]
    for constant in (True, False):
        g, cases, inputs, outputs = Graph(), {}, {}, {}
        for depth, columns in SHAPES:
            rng, name = seeded(depth, columns), f"{depth}x{columns}"
            w = (rng.standard_normal((depth, columns)) / np.sqrt(depth)).astype(kind)
            inputs[f"x{name}"], outputs[f"y{name}"] = (FLOAT, ["m", depth]), (FLOAT, ["m", columns])
            if constant:
                right = g.tensor(helper.make_tensor(f"w{name}", proto, w.shape, w.view(np.uint16).tobytes(), raw=True))
            else:
                inputs[f"w{name}"] = (FLOAT, [depth, columns])
                right = g("Cast", f"w{name}", to=proto)
            g("Cast", g("MatMul", g("Cast", f"x{name}", to=proto), right), to=FLOAT, outputs=f"y{name}")
            cases[name] = w.astype(np.float32)
        session = accordion.compile(g.model("products", inputs, outputs, opset=21, ir=10), threads=1, march=march)
        for count in ROWS:
            feed = {f"x{n}": rng.standard_normal((count, len(w))).astype(kind).astype(np.float32) for n, w in cases.items()}
            more = {} if constant else {f"w{name}": w for name, w in cases.items()}
            for (name, w), y in zip(cases.items(), session.run(None, feed | more)):
                x, wide = feed[f"x{name}"].astype(np.float64), w.astype(np.float64)
                bound = np.abs(x) @ np.abs(wide) * len(w) * 2.0**-24
                assert (np.abs(y - x @ wide) <= bound + np.abs(x @ wide) * 2.0**-digits * 1.01 + 1e-7).all(), (name, count)
