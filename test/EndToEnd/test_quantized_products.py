"""Products by matrices of small integers against float64, and against the same matrix made one of floats beforehand:
that must give the same to the bit."""

from __future__ import annotations

import platform

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from programs import seeded
from real_models.graph import FLOAT, Graph

ROWS = [0, 1, 2, 6, 7, 16, 96, 99, 197]


def nibbles(values):
    """Two of four bits a byte along the last dimension, the lower half first."""
    padded = np.concatenate([values, np.zeros_like(values[..., : values.shape[-1] % 2])], axis=-1)
    return (padded[..., 0::2] | padded[..., 1::2] << 4).astype(np.uint8)


def finish(g, depth, columns):
    model = g.model("product", {"x": (FLOAT, ["m", depth])}, {"y": (FLOAT, ["m", columns])}, opset=21, ir=10)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def rows_of(count, depth, name):
    return seeded(name, count, depth).standard_normal((count, depth)).astype(np.float32)


def compare(accordion, tools, tmp_path, model, matrix, exact=True):
    """`matrix` is [depth, columns] in float32; exact: it is what dequantising gives, to the bit."""
    depth, columns = matrix.shape
    g = Graph()
    g("MatMul", "x", matrix, outputs="y")
    onnx.save(model, tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=kernels", "-o", tmp_path / "kernels.mlir")
    assert " scales(" in (tmp_path / "kernels.mlir").read_text()
    ours, two = (accordion.compile(model, threads=n) for n in (1, 2))
    folded = accordion.compile(finish(g, depth, columns), threads=1)
    wide = matrix.astype(np.float64)
    for count in ROWS:
        x = rows_of(count, depth, "rows")
        (y,) = ours.run(None, {"x": x})
        assert y.shape == (count, columns)
        bound = np.abs(x).astype(np.float64) @ np.abs(wide) * (depth + 2) * 2**-24
        assert (np.abs(y - x.astype(np.float64) @ wide) <= bound + 1e-30).all()
        assert np.array_equal(two.run(None, {"x": x})[0], y)
        if exact:
            assert np.array_equal(folded.run(None, {"x": x})[0], y)
        if count:  # alone as among others
            assert np.array_equal(ours.run(None, {"x": x[-1:]})[0][0], y[-1])
    special = rows_of(9, depth, "special")
    special[1, 0], special[3, depth - 1], special[4, depth // 2] = np.nan, np.inf, -np.inf
    (y,), (reference,) = ours.run(None, {"x": special}), folded.run(None, {"x": special})
    assert np.isnan(y[1]).all() and np.isfinite(np.delete(y, [1, 3, 4], 0)).all()
    assert np.array_equal(np.isnan(y), np.isnan(reference)) and np.array_equal(np.isinf(y), np.isinf(reference))


# columns, depth, block, bits, zero points; depths that fill no block or word, columns that fill no panel.
N_BITS = [
    (64, 64, 16, 4, False),
    (100, 96, 32, 4, True),
    (33, 75, 16, 4, True),
    (7, 1030, 128, 4, False),
    (130, 300, 256, 4, True),
    (1, 16, 16, 4, False),
    (48, 31, 64, 4, True),
    (65, 260, 256, 8, True),
    (31, 96, 32, 8, False),
    (64, 3072, 32, 4, True),
]


def matmul_n_bits(columns, depth, block, bits, zeros, element=np.float32):
    rng, g = seeded(columns, depth, block, bits), Graph()
    blocks = -(-depth // block)
    weights = rng.integers(0, 2**bits, (columns, blocks * block)).astype(np.uint8)
    weights[0], weights[-1, ::2] = 0, 2**bits - 1  # both ends
    zero = rng.integers(0, 2**bits, (columns, blocks)).astype(np.uint8)
    zero[0], zero[-1] = 2**bits - 1, 0
    if not zeros:
        zero[:] = 2 ** (bits - 1)
    scale = (rng.uniform(-1, 1, (columns, blocks)) / 2**bits).astype(element)
    pack = nibbles if bits == 4 else lambda values: values
    inputs = [pack(weights).reshape(columns, blocks, -1), scale] + [pack(zero)] * zeros
    attributes = {"N": columns, "K": depth, "bits": bits, "block_size": block}
    g("MatMulNBits", "x", *inputs, outputs="y", domain="com.microsoft", **attributes)
    whole = weights.reshape(columns, blocks, block).astype(np.float32) - zero[..., None]
    return finish(g, depth, columns), (whole * scale[..., None].astype(np.float32)).reshape(columns, -1)[:, :depth].T.copy()


@pytest.mark.parametrize("case", N_BITS, ids=lambda case: "x".join(map(str, case)))
def test_matmul_n_bits(case, accordion, tools, tmp_path):
    compare(accordion, tools, tmp_path, *matmul_n_bits(*case))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs what it compiles")
@pytest.mark.parametrize(
    "case, allow",
    [(case, "accuracy_level") for case in [*N_BITS, (48, 95, 95, 8, True)]] + [(N_BITS[1], "precision")],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
def test_may_round_rows(case, allow, accordion):
    """Where a model or its user allows it, rows are rounded to bf16, and so are the numbers of the matrix that tiles of
    bf16 multiply; nothing else is. Targets without such tiles round nothing."""
    model, matrix = matmul_n_bits(*case)
    options = {"precision": "bf16"} if allow == "precision" else {}
    if allow == "accuracy_level":
        model.graph.node[0].attribute.append(helper.make_attribute("accuracy_level", 4))
    depth, wide = len(matrix), matrix.astype(np.float64)
    native, two = (accordion.compile(model, threads=n, **options) for n in (1, 2))
    narrow = accordion.compile(model, threads=1, march="x86-64-v3", **options)
    exact = accordion.compile(matmul_n_bits(*case)[0], threads=1, march="x86-64-v3")
    for count in [*ROWS, 33, 513]:
        x = rows_of(count, depth, "rounded")
        (y,) = native.run(None, {"x": x})
        sums = np.abs(x).astype(np.float64) @ np.abs(wide)
        # Two roundings to eight bits, and the sum itself.
        assert (np.abs(y - x.astype(np.float64) @ wide) <= sums * (2**-8 + 2**-18 + (depth + 2) * 2**-24)).all()
        assert np.array_equal(two.run(None, {"x": x})[0], y)
        assert np.array_equal(narrow.run(None, {"x": x})[0], exact.run(None, {"x": x})[0])
    special = rows_of(40, depth, "special")
    special[1, 0], special[33, depth - 1], special[4, depth // 2] = np.nan, np.inf, -np.inf
    (y,) = native.run(None, {"x": special})
    assert np.isnan(y[1]).all() and np.isfinite(np.delete(y, [1, 4, 33], 0)).all()
    assert not np.isfinite(y[[4, 33]]).any()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs what it compiles")
@pytest.mark.parametrize("case", [(100, 96, 32, 4, True), (33, 75, 16, 4, False), (65, 260, 256, 8, True)])
def test_without_tables(case, accordion):
    """Targets that mask and convert, and whose panels are narrower, give the same."""
    model, matrix = matmul_n_bits(*case)
    native, narrow = accordion.compile(model, threads=1), accordion.compile(model, threads=1, march="x86-64-v3")
    for count in ROWS:
        x = rows_of(count, len(matrix), "narrow")
        assert np.array_equal(native.run(None, {"x": x})[0], narrow.run(None, {"x": x})[0])


def test_inexact_scales(accordion, tools, tmp_path):
    """Scales that f16 holds are kept so, and others are not."""
    for element in (np.float32, np.float16):
        model, matrix = matmul_n_bits(48, 64, 32, 4, False)
        scales = next(tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT)
        values = onnx.numpy_helper.to_array(scales).astype(element).astype(np.float32)
        whole = (matrix.T.reshape(48, 2, 32) / onnx.numpy_helper.to_array(scales)[..., None]).round()
        matrix = whole * values[..., None]
        scales.CopyFrom(onnx.numpy_helper.from_array(values, scales.name))
        compare(accordion, tools, tmp_path, model, matrix.reshape(48, 64).T.astype(np.float32).copy())


def test_n_bits_refuses(tools, tmp_path):
    model, _ = matmul_n_bits(16, 32, 16, 4, False)
    attribute = next(a for a in model.graph.node[0].attribute if a.name == "bits")
    attribute.i = 2
    onnx.save(model, tmp_path / "model.onnx")
    assert "MatMulNBits" in tools.refuse("ac-compile", tmp_path / "model.onnx", "-o", tmp_path / "model.so")


def test_n_bits_with_bias(accordion):
    model, matrix = matmul_n_bits(40, 64, 16, 4, True)
    bias = seeded("bias").standard_normal(40).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(bias, "bias"))
    model.graph.node[0].input.extend(["", "bias"])
    x = rows_of(5, 64, "bias")
    (y,) = accordion.compile(model, threads=1).run(None, {"x": x})
    assert np.allclose(y, x @ matrix + bias, rtol=1e-5, atol=1e-5)


DEPTH, COLUMNS = 96, 70
RANGES = {
    TensorProto.INT8: (-128, 128),
    TensorProto.UINT8: (0, 256),
    TensorProto.INT4: (-8, 8),
    TensorProto.UINT4: (0, 16),
}


def dequantized(kind, element, block, transposed=True, zeros=False, gemm=False, offsets=False):
    """DequantizeLinear and the product. `kind`: blocks, columns or tensor."""
    low, high = RANGES[element]
    rng, g = seeded(kind, element, block, transposed, zeros), Graph()
    blocks = DEPTH // block if kind == "blocks" else 1
    q = rng.integers(low, high, (COLUMNS, DEPTH))
    shape = {"blocks": (COLUMNS, blocks), "columns": (COLUMNS, 1), "tensor": (1, 1)}[kind]
    scale = (rng.uniform(0.5, 1, shape) / high).astype(np.float32)
    zero = rng.integers(low, high, shape) if zeros else np.zeros(shape, int)
    spread = lambda values: np.broadcast_to(np.repeat(values, DEPTH // values.shape[1], axis=1), (COLUMNS, DEPTH))
    matrix = (q - spread(zero)).astype(np.float32) * spread(scale)

    def tensor(values, name):
        bytes_ = values.astype(np.uint8)
        if element in (TensorProto.INT4, TensorProto.UINT4):
            bytes_ = nibbles(bytes_.reshape(-1) & 15)
        return g.tensor(helper.make_tensor(name, element, values.shape, bytes_.tobytes(), raw=True))

    place = (lambda values: values) if transposed else (lambda values: values.T)
    squeeze = {"blocks": place, "columns": lambda values: values[:, 0], "tensor": lambda values: values[0, 0]}[kind]
    attributes = {"columns": {"axis": int(not transposed)}, "tensor": {}}
    attributes["blocks"] = {"axis": int(transposed), "block_size": block}
    operands = [tensor(place(q), "q"), np.array(squeeze(scale))] + [tensor(np.array(squeeze(zero)), "z")] * zeros
    w = g("DequantizeLinear", *operands, **attributes[kind])
    if offsets:
        offset = rng.uniform(-1, 1, (COLUMNS, blocks, 1)).astype(np.float32)
        w = g("Reshape", g("Add", g("Reshape", w, [COLUMNS, blocks, block]), offset), [COLUMNS, DEPTH])
        matrix = matrix + np.repeat(offset[..., 0], block, axis=1)
    if gemm:
        g("Gemm", "x", w, None, outputs="y", transB=int(transposed))
    else:
        g("MatMul", "x", g("Transpose", w, perm=[1, 0]) if transposed else w, outputs="y")
    return finish(g, DEPTH, COLUMNS), np.ascontiguousarray(matrix.T)


DEQUANTIZED = {
    "four_bits_in_blocks": ("blocks", TensorProto.INT4, 32),
    "unsigned_four_bits_shifted": ("blocks", TensorProto.UINT4, 16, True, True),
    "along_the_first_axis": ("blocks", TensorProto.INT4, 16, False, True),
    "blocks_of_no_whole_word": ("blocks", TensorProto.INT4, 12),
    "bytes_in_blocks": ("blocks", TensorProto.UINT8, 32, True, True),
    "a_scale_for_each_column": ("columns", TensorProto.INT8, DEPTH, False),
    "columns_shifted": ("columns", TensorProto.UINT8, DEPTH, True, True),
    "one_scale": ("tensor", TensorProto.UINT8, DEPTH, True, True),
    "gemm": ("columns", TensorProto.INT8, DEPTH, True, False, True),
    "offsets": ("blocks", TensorProto.UINT4, 32, True, False, False, True),
}


@pytest.mark.parametrize("name", DEQUANTIZED)
def test_dequantize_linear(name, accordion, tools, tmp_path):
    # With offsets ours rounds once, DequantizeLinear and Add twice.
    compare(accordion, tools, tmp_path, *dequantized(*DEQUANTIZED[name]), exact=name != "offsets")


def test_equal_weights(accordion, tools, tmp_path):
    """A constant that is no more than one number."""
    g = Graph()
    w = g("DequantizeLinear", np.full((DEPTH, COLUMNS), 3, np.int8), np.float32(0.25))
    g("MatMul", "x", w, outputs="y")
    compare(accordion, tools, tmp_path, finish(g, DEPTH, COLUMNS), np.full((DEPTH, COLUMNS), 0.75, np.float32))


def test_table_stays_small(accordion, tools, tmp_path):
    """A table of bytes that is also a product's matrix: its rows are dequantised, not the table."""
    rng, g = seeded("table"), Graph()
    q, scale = rng.integers(-128, 128, (500, 64)).astype(np.int8), rng.uniform(0, 0.01, (500, 2)).astype(np.float32)
    w = g("DequantizeLinear", q, scale, axis=1, block_size=32)
    x = g("Gather", w, "tokens", axis=0)
    g("MatMul", x, g("Transpose", w, perm=[1, 0]), outputs="y")
    model = g.model("table", {"tokens": (TensorProto.INT64, ["b", "n"])}, {"y": (FLOAT, ["b", "n", 500])}, opset=21, ir=10)
    onnx.save(model, tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=kernels", "-o", tmp_path / "kernels.mlir")
    assert "tensor<500x64xf32>" not in (tmp_path / "kernels.mlir").read_text()
    table = q * np.repeat(scale, 32, axis=1)
    session = accordion.compile(model, threads=1)
    for tokens in (np.array([[3, 499, 0]]), np.array([[-1], [7]]), np.zeros((0, 4), int)):
        (y,) = session.run(None, {"tokens": tokens.astype(np.int64)})
        assert np.allclose(y, table[tokens] @ table.T, rtol=1e-5, atol=1e-5)
