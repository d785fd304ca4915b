"""Rules by which models choose experts, as exporters write them: the numbers of ONNX Runtime, and work that follows the
choice."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from adaptive import INNER, WIDTH, collection, finish, seeded, stack, weight
from conftest import assert_as_onnx_runtime
from real_models.graph import FLOAT, INT64, Graph

EXPERTS, VOCABULARY = 4, 11
FORMS, form = collection()


def masked(g, rng, weights):
    """Every expert for every row, then a column of weights."""
    total = None
    for e in range(EXPERTS):
        hidden = g("Gelu", g("MatMul", "x", weight(rng, WIDTH, INNER)))
        scale = g("Slice", weights, [e], [e + 1], [1])
        term = g("Mul", g("MatMul", hidden, weight(rng, INNER, WIDTH)), scale)
        total = g("Add", total, term) if total else term
    g("Identity", total, outputs="y")


def batched(g, rng, weights):
    hidden = g("Gelu", g("Einsum", "x", stack(rng, EXPERTS, WIDTH, INNER), equation="td,edf->tef"))
    answer = g("Einsum", hidden, stack(rng, EXPERTS, INNER, WIDTH), equation="tef,efd->ted")
    g("Einsum", answer, weights, equation="ted,te->td", outputs="y")


def scores(g, rng):
    return g("MatMul", "x", 2 * weight(rng, WIDTH, EXPERTS))


@form
def table(g, rng):
    """A hash layer: the expert is looked up by the number of the token, and its matrices are gathered."""
    which = g("Gather", rng.integers(0, EXPERTS, VOCABULARY), "ids")
    hidden = g("Gelu", g("MatMul", g("Unsqueeze", "x", [1]), g("Gather", stack(rng, EXPERTS, WIDTH, INNER), which)))
    g("Squeeze", g("MatMul", hidden, g("Gather", stack(rng, EXPERTS, INNER, WIDTH), which)), [1], outputs="y")


@form
def table_with_biases(g, rng):
    """The same with biases that are looked up, too, and matrices that multiply a column."""
    which = g("Gather", rng.integers(0, EXPERTS, VOCABULARY), "ids")
    up = g("MatMul", g("Gather", stack(rng, EXPERTS, INNER, WIDTH), which), g("Unsqueeze", "x", [2]))
    hidden = g("Relu", g("Add", g("Squeeze", up, [2]), g("Gather", stack(rng, EXPERTS, 1, INNER)[:, 0], which)))
    down = g("Einsum", hidden, g("Gather", stack(rng, EXPERTS, INNER, WIDTH), which), equation="rh,rhd->rd")
    g("Add", down, g("Gather", stack(rng, EXPERTS, 1, WIDTH)[:, 0], which), outputs="y")


@form
def largest(g, rng):
    """The one expert with the largest score, weighted by its probability; its matrices are gathered."""
    share = g("Softmax", scores(g, rng), axis=-1)
    which = g("ArgMax", share, axis=1, keepdims=0)
    hidden = g("Gelu", g("MatMul", g("Unsqueeze", "x", [1]), g("Gather", stack(rng, EXPERTS, WIDTH, INNER), which)))
    answer = g("Squeeze", g("MatMul", hidden, g("Gather", stack(rng, EXPERTS, INNER, WIDTH), which)), [1])
    g("Mul", answer, g("ReduceMax", share, [1], keepdims=1), outputs="y")


@form
def table_rows(g, rng):
    """The same with rows that each expert picks."""
    which = g("Gather", rng.integers(0, EXPERTS, VOCABULARY), "ids")
    total = g("Mul", "x", 0.0)
    for e in range(EXPERTS):
        at = g("Transpose", g("NonZero", g("Equal", which, e)), perm=[1, 0])
        hidden = g("Gelu", g("MatMul", g("GatherND", "x", at), weight(rng, WIDTH, INNER)))
        total = g("ScatterND", total, at, g("MatMul", hidden, weight(rng, INNER, WIDTH)))
    g("Identity", total, outputs="y")


@form
def table_masked(g, rng):
    which = g("Gather", rng.integers(0, EXPERTS, VOCABULARY), "ids")
    masked(g, rng, g("Cast", g("OneHot", which, np.array(EXPERTS), np.array([0, 1])), to=1))


@form
def relu(g, rng):
    masked(g, rng, g("Relu", scores(g, rng)))


@form
def relu_batched(g, rng):
    batched(g, rng, g("Relu", scores(g, rng)))


@form
def threshold(g, rng):
    """Experts whose sigmoid is above a number."""
    share = g("Sigmoid", scores(g, rng))
    masked(g, rng, g("Where", g("Greater", share, 0.5), share, 0.0))


@form
def top_p(g, rng):
    """The smallest set of experts whose probabilities reach p: sorted, summed up to each, put back."""
    best, which = g("TopK", g("Softmax", scores(g, rng), axis=-1), [EXPERTS], outputs=2, axis=-1)
    before = g("CumSum", best, np.array(1), exclusive=1)
    kept = g("Where", g("Less", before, 0.75), best, 0.0)
    kept = g("Div", kept, g("ReduceSum", kept, [1], keepdims=1))
    zeros = g("ConstantOfShape", g("Shape", kept))
    masked(g, rng, g("ScatterElements", zeros, which, kept, axis=1))


@form
def top_p_batched(g, rng):
    best, which = g("TopK", g("Softmax", scores(g, rng), axis=-1), [EXPERTS], outputs=2, axis=-1)
    before = g("Sub", g("CumSum", best, np.array(1)), best)
    kept = g("Mul", best, g("Cast", g("Less", before, 0.75), to=1))
    batched(g, rng, g("ScatterElements", g("ConstantOfShape", g("Shape", kept)), which, kept, axis=1))


@form
def expert_choice_masked(g, rng):
    """Each expert takes the three rows that score it highest: their weights, put into zeros."""
    share = g("Transpose", g("Softmax", scores(g, rng), axis=-1), perm=[1, 0])
    best, which = g("TopK", share, [3], outputs=2, axis=-1)
    zeros = g("ConstantOfShape", g("Shape", share))
    weights = g("ScatterElements", zeros, which, best, axis=1)
    masked(g, rng, g("Transpose", weights, perm=[1, 0]))


@form
def expert_choice(g, rng):
    """The rows are gathered for all experts, and answers added back where they belong."""
    share = g("Transpose", g("Softmax", scores(g, rng), axis=-1), perm=[1, 0])
    best, which = g("TopK", share, [3], outputs=2, axis=-1)
    hidden = g("Gelu", g("MatMul", g("Gather", "x", which), stack(rng, EXPERTS, WIDTH, INNER)))
    answer = g("Mul", g("MatMul", hidden, stack(rng, EXPERTS, INNER, WIDTH)), g("Unsqueeze", best, [2]))
    zeros = g("ConstantOfShape", g("Shape", "x"))
    at = g("Reshape", which, [-1, 1])
    g("ScatterND", zeros, at, g("Reshape", answer, [-1, WIDTH]), reduction="add", outputs="y")


@form
def expert_choice_einsum(g, rng):
    """The same with a one-hot code of the rows that are taken."""
    share = g("Transpose", g("Softmax", scores(g, rng), axis=-1), perm=[1, 0])
    best, which = g("TopK", share, [3], outputs=2, axis=-1)
    count = g("Squeeze", g("Shape", "x", start=0, end=1), [0])
    taken = g("Cast", g("OneHot", which, count, np.array([0, 1])), to=1)
    places = g("Einsum", taken, "x", equation="ecs,sm->ecm")
    hidden = g("Gelu", g("MatMul", places, stack(rng, EXPERTS, WIDTH, INNER)))
    answer = g("MatMul", hidden, stack(rng, EXPERTS, INNER, WIDTH))
    g("Einsum", g("Mul", taken, g("Unsqueeze", best, [2])), answer, equation="ecs,ecm->sm", outputs="y")


def model_of(name):
    g = Graph()
    FORMS[name](g, seeded(name))
    inputs = {"x": (FLOAT, ["n", WIDTH])}
    if name.startswith("table"):
        inputs["ids"] = (INT64, ["n"])
    return finish(g, inputs)


def feeds_of(name):
    """Rows at random; all alike; zeros, whose scores are tied."""
    rng = seeded(name)
    feeds = [{"x": rng.standard_normal((n, WIDTH)).astype(np.float32)} for n in (16, 3)]
    feeds += [{"x": np.repeat(feeds[0]["x"][:1], 9, axis=0)}, {"x": np.zeros((5, WIDTH), np.float32)}]
    if name.startswith("table"):
        for feed in feeds:
            feed["ids"] = rng.integers(0, VOCABULARY, len(feed["x"]))
        feeds.append({"x": feeds[0]["x"][:1], "ids": np.array([VOCABULARY - 1])})
    return feeds


@pytest.mark.parametrize("name", FORMS)
def test_agrees_with_onnx_runtime(name, accordion, tmp_path):
    model = model_of(name)
    onnx.checker.check_model(model, full_check=True)
    assert_as_onnx_runtime(accordion, model, feeds_of(name), tmp_path)


# Rows that are put back one expert after another are masked rows. Rows that are gathered for all experts at once are as
# many as were chosen: there is nothing to skip.
OTHERS = {"table_rows": ("= ac.masked_rows", EXPERTS), "expert_choice": ("= ac.moe_dispatch", 0)}


@pytest.mark.parametrize("name", FORMS)
def test_becomes_a_dispatch(name, tools, tmp_path):
    onnx.save(model_of(name), tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=raise", "-o", tmp_path / "raised.mlir")
    operation, count = OTHERS.get(name, ("= ac.moe_dispatch", 1))
    assert (tmp_path / "raised.mlir").read_text().count(operation) == count
