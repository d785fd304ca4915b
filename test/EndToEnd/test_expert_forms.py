"""Mixtures of experts as exporters write them: whatever the form, one dispatch, and the numbers of ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from adaptive import INNER, WIDTH, collection, finish, mlp, rows, seeded, weight
from conftest import assert_as_onnx_runtime
from onnx import helper
from real_models.graph import FLOAT, Graph

EXPERTS, CHOICES = 4, 2
FORMS, form = collection()


def stack(rng, *shape):
    return (rng.standard_normal((EXPERTS, *shape)) / np.sqrt(shape[-2] if len(shape) > 1 else 4)).astype(np.float32)


def top(g, rng, x="x"):
    """Weights and numbers of the experts that a row chooses, [rows, CHOICES]."""
    scores = g("Softmax", g("MatMul", x, 2 * weight(rng, WIDTH, EXPERTS)), axis=-1)
    best, which = g("TopK", scores, [CHOICES], outputs=2, axis=-1)
    return g("Div", best, g("ReduceSum", best, [-1], keepdims=1)), which


def dense(g, rng):
    """The same as a matrix [rows, EXPERTS], zero where not chosen."""
    share, which = top(g, rng)
    shape = g("Concat", g("Shape", "x", start=0, end=1), [EXPERTS], axis=0)
    zeros = g("Expand", np.zeros((), np.float32), shape)
    return g("ScatterElements", zeros, which, share, axis=1)


@form
def gathered(g, rng):
    """Matrices and biases gathered for each row and choice; the row is a row."""
    share, which = top(g, rng)
    row = g("Unsqueeze", "x", [1, 2])
    hidden = g("MatMul", row, g("Gather", stack(rng, WIDTH, INNER), which))
    hidden = g("Gelu", g("Add", hidden, g("Unsqueeze", g("Gather", stack(rng, INNER), which), [2])))
    answer = g("Squeeze", g("MatMul", hidden, g("Gather", stack(rng, INNER, WIDTH), which)), [2])
    g("ReduceSum", g("Mul", answer, g("Unsqueeze", share, [2])), [1], keepdims=0, outputs="y")


@form
def gathered_columns(g, rng):
    """Rows and choices are one dimension, matrices stand transposed, the row is a column; gated."""
    share, which = top(g, rng)
    repeated = g("Reshape", g("Expand", g("Unsqueeze", "x", [1]), [1, CHOICES, 1]), [-1, WIDTH])
    at = g("Unsqueeze", g("Reshape", which, [-1]), [-1])
    up = g("GatherND", stack(rng, 2 * INNER, WIDTH), at)
    gate, linear = g("Split", g("Squeeze", g("MatMul", up, g("Unsqueeze", repeated, [-1])), [-1]), outputs=2, axis=1, num_outputs=2)
    hidden = g("Mul", g("Mul", gate, g("Sigmoid", gate)), linear)
    answer = g("Squeeze", g("MatMul", g("GatherND", stack(rng, WIDTH, INNER), at), g("Unsqueeze", hidden, [-1])), [-1])
    answer = g("Mul", answer, g("Unsqueeze", g("Reshape", share, [-1]), [-1]))
    g("ReduceSum", g("Reshape", answer, [-1, CHOICES, WIDTH]), [1], keepdims=0, outputs="y")


@form
def gathered_einsum(g, rng):
    share, which = top(g, rng)
    hidden = g("Einsum", "x", g("Gather", stack(rng, WIDTH, INNER), which), equation="td,tkdf->tkf")
    answer = g("Einsum", g("Relu", hidden), g("Gather", stack(rng, INNER, WIDTH), which), equation="tkf,tkfd->tkd")
    g("Einsum", share, answer, equation="tk,tkd->td", outputs="y")


@form
def gathered_row_of_weights(g, rng):
    """The sum over choices is a product with a row of weights."""
    share, which = top(g, rng)
    row = g("Unsqueeze", "x", [1, 2])
    hidden = g("Tanh", g("MatMul", row, g("Gather", stack(rng, WIDTH, INNER), which)))
    answer = g("Squeeze", g("MatMul", hidden, g("Gather", stack(rng, INNER, WIDTH), which)), [2])
    g("Squeeze", g("MatMul", g("Unsqueeze", share, [1]), answer), [1], outputs="y")


@form
def batched(g, rng):
    """Rows repeated for all experts."""
    weights = dense(g, rng)
    every = g("Reshape", g("Tile", "x", [EXPERTS, 1]), [EXPERTS, -1, WIDTH])
    hidden = g("Gelu", g("Add", g("MatMul", every, stack(rng, WIDTH, INNER)), stack(rng, 1, INNER)))
    answer = g("MatMul", hidden, stack(rng, INNER, WIDTH))
    scale = g("Unsqueeze", g("Transpose", weights, perm=[1, 0]), [-1])
    g("ReduceSum", g("Mul", answer, scale), [0], keepdims=0, outputs="y")


@form
def batched_einsum(g, rng):
    weights = dense(g, rng)
    hidden = g("Relu", g("Einsum", "x", stack(rng, WIDTH, INNER), equation="td,edf->tef"))
    answer = g("Einsum", hidden, stack(rng, INNER, WIDTH), equation="tef,efd->ted")
    g("Einsum", answer, weights, equation="ted,te->td", outputs="y")


@form
def grouped(g, rng):
    """As transformers exports grouped products: choices sorted by expert, counted in bins, put back by the inverse."""
    share, which = top(g, rng)
    flat = g("Reshape", which, [-1])
    length = g("Reshape", g("Gather", g("Shape", flat), np.array(-1)), [1])
    experts, order = g("TopK", flat, length, outputs=2, axis=-1, largest=0)
    below = g("And", g("Equal", g("Less", order, 0), np.array(True)), g("Cast", g("Mod", order, CHOICES), to=9))
    row = g("Sub", g("Div", order, CHOICES), g("Cast", below, to=7))
    at = g("Unsqueeze", order, [-1])
    picked = g("GatherND", "x", g("Unsqueeze", row, [-1]))
    bins = g("Cast", g("Div", g("Cast", experts, to=1), (EXPERTS - 1) / EXPERTS), to=7)
    bins = g("Clip", bins, np.array(0), np.array(EXPERTS - 1))
    ones = g("Expand", 1.0, g("Shape", bins))
    counts = g("ScatterElements", np.zeros(EXPERTS, np.float32), bins, ones, reduction="add", axis=0)
    ends = g("Cast", g("CumSum", g("Cast", counts, to=6), np.array(0)), to=7)
    ends = [g("Squeeze", end, [0]) for end in g("Split", ends, outputs=EXPERTS, axis=0, num_outputs=EXPERTS)]
    groups = [g("Range", begin, end, np.array(1)) for begin, end in zip([np.array(0), *ends], ends)]

    def product(rows, matrices):
        matrices = g("Split", matrices, outputs=EXPERTS, axis=0, num_outputs=EXPERTS)
        parts = [g("MatMul", g("Gather", rows, own), g("Squeeze", w, [0])) for own, w in zip(groups, matrices)]
        return g("Concat", *parts, axis=0)

    gate, linear = g("Split", product(picked, stack(rng, WIDTH, 2 * INNER)), outputs=2, axis=1, num_outputs=2)
    answer = product(g("Mul", g("Mul", gate, g("Sigmoid", gate)), linear), stack(rng, INNER, WIDTH))
    answer = g("Mul", answer, g("Unsqueeze", g("GatherND", g("Reshape", share, [-1]), at), [-1]))
    count = g("Range", np.array(0), g("Squeeze", length, [0]), np.array(1))
    back = g("ScatterND", g("Expand", np.array(0), g("Shape", order)), at, count)
    answer = g("GatherND", answer, g("Unsqueeze", back, [-1]))
    g("ReduceSum", g("Reshape", answer, [-1, CHOICES, WIDTH]), [1], keepdims=0, outputs="y")


@form
def scattered_without_add(g, rng):
    """An older exporter: weights by flat place, answers scattered into zeros that are then added."""
    share, which = top(g, rng)
    hot = g("Transpose", g("OneHot", which, np.array(EXPERTS), np.array([0, 1])), perm=[2, 1, 0])
    total = g("ConstantOfShape", g("Shape", "x"))
    for expert in range(EXPERTS):
        chosen = g("Cast", g("Gather", hot, np.array(expert), axis=0), to=9)
        slot, row = g("Split", g("Transpose", g("NonZero", chosen), perm=[1, 0]), [1, 1], outputs=2, axis=1)
        slot, row = g("Squeeze", slot, [1]), g("Squeeze", row, [1])
        picked = g("Reshape", g("Gather", g("Unsqueeze", "x", [0]), row, axis=1), [-1, WIDTH])
        stride = g("Gather", g("Shape", g("Unsqueeze", share, [-1])), [1])
        flat = g("Flatten", g("Unsqueeze", share, [-1]), axis=2)
        scale = g("Gather", flat, g("Add", slot, g("Mul", row, stride)))
        answer = g("Mul", mlp(g, picked, rng), scale)
        index = g("Expand", g("Unsqueeze", row, [1]), g("Shape", answer))
        total = g("Add", total, g("ScatterElements", g("ConstantOfShape", g("Shape", total)), index, answer, axis=0))
    g("Identity", total, outputs="y")


@form
def shared_and_null(g, rng):
    """One expert for every row, one that is the row itself, and one that is nothing, besides two that compute."""
    weights = dense(g, rng)
    column = lambda e: g("Slice", weights, [e], [e + 1], [1])
    total = mlp(g, "x", rng)
    for expert in range(2):
        total = g("Add", total, g("Mul", mlp(g, "x", rng), column(expert)))
    g("Add", total, g("Mul", "x", column(2)), outputs="y")


@pytest.fixture(scope="module", params=FORMS)
def case(request):
    g = Graph()
    rng = seeded(request.param)
    FORMS[request.param](g, rng)
    model = finish(g)
    onnx.checker.check_model(model, full_check=True)
    return request.param, model, rows(rng, 23, 2, 1)


def test_agrees_with_onnx_runtime(case, accordion, tmp_path):
    _, model, feeds = case
    assert_as_onnx_runtime(accordion, model, feeds, tmp_path)


def test_no_row_at_all(case, accordion):
    """ONNX Runtime is no oracle here: it divides by the number of rows in some of the forms."""
    _, model, _ = case
    (y,) = accordion.compile(model, threads=1).run(None, {"x": np.zeros((0, WIDTH), np.float32)})
    assert y.shape == (0, WIDTH)


def test_becomes_one_dispatch(case, tools, tmp_path):
    """Whose experts read packed matrices: nothing is gathered from stacks any more."""
    name, model, _ = case
    onnx.save(model, tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=raise", "-o", tmp_path / "raised.mlir")
    raised = (tmp_path / "raised.mlir").read_text()
    assert raised.count("= ac.moe_dispatch") == 1
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=kernels", "-o", tmp_path / "kernels.mlir")
    kernels = (tmp_path / "kernels.mlir").read_text()
    products = [line for line in kernels.splitlines() if "= ac.contract" in line]
    assert sum("ac.contract packed" in line for line in products) >= 2 * (2 if name == "shared_and_null" else EXPERTS)
    assert f"tensor<{EXPERTS}x{WIDTH}x{INNER}xf32>" not in kernels


# Per channel and in blocks, symmetric and not.
QUANTISED = {
    "four_bits": {"bits": 4},
    "eight_bits": {"bits": 8, "activation": "gelu"},
    "four_bits_in_blocks": {"bits": 4, "block": 16, "zeros": True},
    "eight_bits_shifted": {"bits": 8, "block": 16, "zeros": True, "activation": "relu"},
    "four_bits_gated": {"bits": 4, "activation": "swiglu", "zeros": True},
}


def quantised(name, bits, block=0, zeros=False, activation="silu"):
    """com.microsoft.QMoE with any bytes as weights."""
    rng, g, width, inner = seeded(name), Graph(), 32, 48
    inputs, zero_points = [], []
    for count, columns in ((2 * inner if activation == "swiglu" else inner, width), (width, inner)):
        shape = (EXPERTS, count, columns // block) if block else (EXPERTS, count)
        packed = (EXPERTS, count, -(-shape[-1] * bits // 8)) if block else (EXPERTS, -(-count * bits // 8))
        scale = rng.uniform(0.5, 1.5, shape) / np.sqrt(columns) / 2 ** (bits - 2)
        inputs.append(rng.integers(0, 256, (EXPERTS, count, columns * bits // 8)).astype(np.uint8))
        inputs.append(scale.astype(np.float32))
        inputs.append((rng.standard_normal((EXPERTS, count)) / 8).astype(np.float32))
        zero_points.append(rng.integers(0, 256, packed).astype(np.uint8) if zeros else "")
    attributes = {"block_size": block} if block else {}
    if activation == "swiglu":
        attributes |= {"swiglu_fusion": 1, "activation_alpha": 1.702, "activation_beta": 1.0}
    third = ("", "", "", *zero_points) if zeros else ()
    g(
        *("QMoE", "x", "router", *inputs, *third),
        outputs="y",
        domain="com.microsoft",
        k=CHOICES,
        expert_weight_bits=bits,
        activation_type=activation,
        normalize_routing_weights=1,
        **attributes,
    )
    feeds = [{"x": rng.standard_normal((n, width)).astype(np.float32)} for n in (21, 1)]
    for feed in feeds:
        feed["router"] = rng.standard_normal((len(feed["x"]), EXPERTS)).astype(np.float32)
    feeds[0]["router"][:4] = 0
    model = finish(g, {"x": (FLOAT, ["n", width]), "router": (FLOAT, ["n", EXPERTS])}, {"y": (FLOAT, ["n", width])})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model, feeds


# ONNX Runtime rounds the rows to bytes before it multiplies them by blocks of bytes.
TOLERANCE = {"eight_bits_shifted": 3e-2}


@pytest.mark.parametrize("name", QUANTISED)
def test_quantised_experts(name, accordion, tools, tmp_path):
    model, feeds = quantised(name, **QUANTISED[name])
    onnx.save(model, tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=kernels", "-o", tmp_path / "kernels.mlir")
    products = [line for line in (tmp_path / "kernels.mlir").read_text().splitlines() if "= ac.contract" in line]
    assert len(products) >= 2 * EXPERTS and all("packed" in line and " scales(" in line for line in products)
    assert_as_onnx_runtime(accordion, model, feeds, tmp_path, TOLERANCE.get(name, 1e-5))
