"""Experts with a capacity as exporters write them, with places that rows take in turn: one dispatch, and the numbers of
ONNX Runtime whether places suffice, run out or stay empty."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from adaptive import INNER, WIDTH, collection, finish, seeded, stack, weight
from conftest import assert_as_onnx_runtime
from real_models.graph import FLOAT, Graph

EXPERTS, CAPACITY = 4, 3
FORMS, form = collection()


def experts(g, rng, places, equation="{0}{1},e{1}{2}->{0}{2}", letters="ec"):
    """Two products and an activation for all places, [E, ..., width]."""
    hidden = g("Gelu", g("Einsum", places, stack(rng, EXPERTS, WIDTH, INNER), equation=equation.format(letters, "m", "h")))
    return g("Einsum", hidden, stack(rng, EXPERTS, INNER, WIDTH), equation=equation.format(letters, "h", "m"))


def code(g, numbers, depth):
    return g("Cast", g("OneHot", numbers, np.array(depth), np.array([0, 1])), to=1)


def shares(g, rng):
    return g("Softmax", g("MatMul", "x", 2 * weight(rng, WIDTH, EXPERTS)), axis=-1)


@form
def switch(g, rng):
    """One choice: the mask is counted with an exclusive CumSum, what has no place is dropped by a comparison."""
    gates = shares(g, rng)
    best, which = g("TopK", gates, [1], outputs=2, axis=-1)
    mask = code(g, g("Squeeze", which, [1]), EXPERTS)
    at = g("Mul", g("CumSum", mask, np.array(0), exclusive=1), mask)
    mask = g("Mul", mask, g("Cast", g("Less", at, float(CAPACITY)), to=1))
    kept, at = g("ReduceSum", mask, [1], keepdims=0), g("ReduceSum", at, [1], keepdims=0)
    gate = g("Mul", g("Squeeze", best, [1]), kept)
    of_expert = g("Mul", g("Unsqueeze", gate, [1, 2]), g("Unsqueeze", mask, [2]))
    combine = g("Mul", of_expert, g("Unsqueeze", code(g, g("Cast", at, to=7), CAPACITY), [1]))
    dispatch = g("Cast", g("Cast", combine, to=9), to=1)
    places = g("Einsum", dispatch, "x", equation="sec,sm->ecm")
    g("Einsum", combine, experts(g, rng, places), equation="sec,ecm->sm", outputs="y")


@form
def two_choices(g, rng):
    """Second choices stand behind all first ones; inclusive counts less one; a place is summed over experts."""
    gates = shares(g, rng)
    first = g("ArgMax", gates, axis=1, keepdims=0)
    mask1 = g("OneHot", first, np.array(EXPERTS), np.array([0, 1]))
    others = g("Where", g("Cast", mask1, to=9), np.float32(-np.inf), gates)
    mask2 = g("OneHot", g("ArgMax", others, axis=1, keepdims=0), np.array(EXPERTS), np.array([0, 1]))
    at1 = g("Sub", g("CumSum", mask1, np.array(0)), 1)
    at2 = g("Add", g("Sub", g("CumSum", mask2, np.array(0)), 1), g("ReduceSum", mask1, [0], keepdims=1))
    terms, each = [], []
    for mask, at in ((mask1, at1), (mask2, at2)):
        kept = g("Mul", mask, g("Cast", g("Less", at, CAPACITY), to=7))
        number = g("ReduceSum", g("Mul", at, kept), [1], keepdims=0)
        kept = g("Cast", kept, to=1)
        each.append(g("Einsum", gates, kept, equation="se,se->s"))
        terms.append((kept, code(g, number, CAPACITY)))
    total = g("Max", g("Add", *each), 1e-7)
    sums = []
    for gate, (kept, places) in zip(each, terms):
        scaled = g("Einsum", g("Div", gate, total), kept, equation="s,se->se")
        sums.append(g("Einsum", scaled, places, equation="se,sc->sec"))
    combine = g("Add", *sums)
    dispatch = g("Cast", g("Cast", combine, to=9), to=1)
    answers = experts(g, rng, g("Einsum", dispatch, "x", equation="sec,sm->ecm"))
    g("Einsum", combine, answers, equation="sec,ecm->sm", outputs="y")


@form
def groups(g, rng):
    """Places are those of a group of rows: counts of a padded mask; second choices behind the first ones that were kept."""
    grouped = g("Reshape", "x", [-1, 8, WIDTH])
    gates = g("Softmax", g("MatMul", grouped, 2 * weight(rng, WIDTH, EXPERTS)), axis=-1)
    scale, terms, behind = gates, [], None
    for _ in range(2):
        best, which = g("TopK", scale, [1], outputs=2, axis=-1)
        which = g("Squeeze", which, [2])
        mask = code(g, which, EXPERTS)
        scale = g("Mul", gates, g("Sub", 1.0, mask))
        before = g("Slice", g("CumSum", g("Pad", mask, [0, 1, 0, 0, 0, 0]), np.array(-2)), [0], [-1], [1])
        at = g("Mul", g("Add", before, behind) if behind else before, mask)
        kept = g("Mul", mask, g("Cast", g("Less", at, float(CAPACITY)), to=1))
        behind = g("ReduceSum", kept, [-2], keepdims=1)
        flat, at = g("ReduceSum", kept, [-1], keepdims=0), g("Cast", g("ReduceSum", at, [-1], keepdims=0), to=7)
        depth = g("Add", g("ReduceMax", at, keepdims=0), np.array(1 + CAPACITY))
        places = g("Slice", g("OneHot", at, depth, np.array([0, 1])), [0], [CAPACITY], [2])
        gate = g("Mul", g("Mul", g("Squeeze", best, [2]), flat), flat)
        of_expert = g("Mul", g("Unsqueeze", gate, [2, 3]), g("Unsqueeze", code(g, which, EXPERTS), [3]))
        terms.append(g("Mul", of_expert, g("Cast", g("Unsqueeze", places, [2]), to=1)))
    combine = g("Add", *terms)
    dispatch = g("Cast", g("Cast", combine, to=9), to=1)
    places = g("Einsum", grouped, dispatch, equation="bnd,bnec->ebcd")
    answers = experts(g, rng, g("Reshape", places, [EXPERTS, -1, WIDTH]))
    answers = g("Reshape", answers, g("Shape", places))
    g("Reshape", g("Einsum", answers, combine, equation="ebcd,bnec->bnd"), [-1, WIDTH], outputs="y")


@form
def places_by_expert(g, rng):
    """A place for each row and expert is compared with all numbers of places; rows go by a mask of their own."""
    gates = shares(g, rng)
    mask = g("Equal", g("Unsqueeze", g("ArgMax", gates, axis=1, keepdims=0), [1]), np.arange(EXPERTS))
    count = g("CumSum", g("Cast", mask, to=7), np.array(0))
    kept = g("And", mask, g("LessOrEqual", count, CAPACITY))
    at = g("Equal", g("Unsqueeze", g("Sub", count, 1), [2]), np.arange(CAPACITY))
    dispatch = g("Cast", g("And", g("Unsqueeze", kept, [2]), at), to=1)
    combine = g("Mul", g("Unsqueeze", gates, [2]), dispatch)
    answers = experts(g, rng, g("Einsum", "x", dispatch, equation="sm,sec->ecm"))
    g("Einsum", answers, combine, equation="ecm,sec->sm", outputs="y")


def feeds_of(name):
    """Rows at random, few and many; all alike, so that one expert runs out of places; zeros, whose gates are tied."""
    rng = seeded(name)
    some = [rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (16, 8, 40)]
    alike = np.repeat(rng.standard_normal((1, WIDTH)).astype(np.float32), 16, axis=0)
    single = [] if name == "groups" else [some[0][:1]]
    return [{"x": x} for x in (*some, alike, np.zeros((16, WIDTH), np.float32), *single)]


def model_of(name):
    g = Graph()
    FORMS[name](g, seeded(name))
    return finish(g)


@pytest.mark.parametrize("name", FORMS)
def test_agrees_with_onnx_runtime(name, accordion, tmp_path):
    model = model_of(name)
    onnx.checker.check_model(model, full_check=True)
    assert_as_onnx_runtime(accordion, model, feeds_of(name), tmp_path)


@pytest.mark.parametrize("name", FORMS)
def test_becomes_one_dispatch(name, tools, tmp_path):
    """Experts read packed matrices, and no tensor of places is left."""
    onnx.save(model_of(name), tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=raise", "-o", tmp_path / "raised.mlir")
    raised = (tmp_path / "raised.mlir").read_text()
    assert raised.count("= ac.moe_dispatch") == 1
    assert "->sec" not in raised and '"sec' not in raised and "bnec" not in raised


@pytest.mark.parametrize("name", FORMS)
def test_empty_places_are_not_computed(name, accordion):
    """An expert has as many rows as chose it, and no more than it has places."""
    session = accordion.compile(model_of(name), threads=1)
    for feed in feeds_of(name):
        session.run(None, feed)
        (counts,) = session.stats()["sites"].values()
        rows, *each = list(counts)
        groups = len(feed["x"]) // 8 if name == "groups" else 1
        assert rows == len(feed["x"]) and max(each) <= CAPACITY * groups
        if np.ptp(feed["x"], axis=0).max() == 0 and rows > 1:
            # All alike: one expert for each choice is full, the others have nothing to do.
            assert sum(each) == CAPACITY * groups * (2 if name in ("two_choices", "groups") else 1)
