"""Early exits and skipped blocks of exported models: one binary does with its budgets what ONNX Runtime does with one model
for each threshold."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import real_models
from adaptive import CLASSES, WIDTH, finish, graph_of, mlp, rows, seeded, weight
from conftest import furthest
from real_models.graph import BOOL, FLOAT, INT64, Graph

ROW = (FLOAT, ["n", CLASSES])


def confidence(g, p):
    return "Greater", g("ReduceMin", g("ReduceMax", p, [-1], keepdims=0), keepdims=0)


def least_confidence(g, p):
    """Any row that is not sure goes on: the answer is in the other branch, and NaN exits."""
    return "LessOrEqual", g("ReduceMin", g("ReduceMax", p, [-1], keepdims=0), keepdims=0)


def margin(g, p):
    best, _ = g("TopK", p, [2], outputs=2, axis=-1)
    first, second = (g("Gather", best, np.array(i), axis=1) for i in (0, 1))
    return "GreaterOrEqual", g("ReduceMin", g("Sub", first, second), keepdims=0)


def entropy(g, p):
    each = g("Neg", g("ReduceSum", g("Mul", p, g("Log", p)), [-1], keepdims=0))
    return "Less", g("ReduceMax", each, keepdims=0)


def all_rows(g, p):
    """What `(confidence > t).all()` becomes."""
    return "all", g("ReduceMax", p, [-1], keepdims=0)


def no_other_row(g, p):
    """The same as older exporters write it."""
    return "not any not", g("ReduceMax", p, [-1], keepdims=0)


def mean(g, p):
    """No rule but the number itself."""
    return "Greater", g("ReduceMean", g("ReduceMax", p, [-1], keepdims=1), keepdims=0)


THRESHOLDS = {confidence: (0.0, 0.4, 1.0), least_confidence: (0.0, 0.6, 1.0), margin: (0.0, 0.3, 1.0)}
THRESHOLDS |= {all_rows: (0.0, 0.4, 1.0), no_other_row: (0.0, 0.4, 1.0)}
THRESHOLDS |= {entropy: (0.0, 1.0, 1.6), mean: (0.0, 0.5, 1.0)}


def exits(score, threshold):
    """Two exits, the second inside of the rest of the first, and the end."""
    rng, g = seeded(score.__name__), Graph()
    parts = [[weight(rng, WIDTH, WIDTH), 3 * weight(rng, WIDTH, CLASSES)] for _ in range(3)]

    def rest(g, h, at):
        h = g("Tanh", g("MatMul", h, parts[at][0]))
        p = g("Softmax", g("MatMul", h, parts[at][1]), axis=-1)
        if at == len(parts) - 1:
            return p
        compare, value = score(g, p)
        early, late = Graph(f"early{at}_"), Graph(f"late{at}_")
        early("Identity", p, outputs=f"early{at}")
        late("Identity", rest(late, h, at + 1), outputs=f"late{at}")
        branches = [graph_of(early, "early", [], [(f"early{at}", *ROW)]), graph_of(late, "late", [], [(f"late{at}", *ROW)])]
        if score is least_confidence:
            branches.reverse()
        limit = np.array(threshold, np.float32)
        if compare == "all":
            flags = g("Cast", g("Greater", value, limit), to=INT64)
            flag = g("Cast", g("ReduceMin", flags, keepdims=0), to=BOOL)
        elif compare == "not any not":
            flags = g("Cast", g("Not", g("Greater", value, limit)), to=INT64)
            flag = g("Not", g("Cast", g("ReduceSum", flags, keepdims=0), to=BOOL))
        else:
            flag = g(compare, value, limit)
        return g("If", flag, then_branch=branches[0], else_branch=branches[1])

    g("Identity", rest(g, "x", 0), outputs="y")
    return finish(g, outputs={"y": ROW})


@pytest.mark.parametrize("score", THRESHOLDS, ids=lambda score: score.__name__)
def test_exits(score, accordion, tools, tmp_path):
    session = accordion.compile(exits(score, THRESHOLDS[score][1]), threads=1)
    budgets = [budget.name for budget in session.get_budgets()]
    assert len(budgets) == 2 and len(session.get_sites()) == 2
    kind = {f: "confidence" for f in (least_confidence, all_rows, no_other_row)} | {mean: "value"}
    kind = kind.get(score, score.__name__)
    assert all(name.startswith("exit.") and f".{kind}" in name for name in budgets)
    feeds = rows(seeded("exits"), 4, 0, *[1] * 12)
    # ONNX Runtime's largest number of a row with a NaN is another one.
    unsure = {"x": feeds[0]["x"].copy()}
    unsure["x"][2, 3] = np.nan
    depths = set()
    for threshold in THRESHOLDS[score]:
        onnx.save(exits(score, threshold), tmp_path / "model.onnx")
        reference = real_models.onnx_runtime(tmp_path / "model.onnx")
        for feed in feeds:
            got = session.run(None, feed, budgets=dict.fromkeys(budgets, threshold))
            assert furthest(got, reference(feed)) < 1e-5
            depths.add(sum(count[1] > 0 for count in session.stats()["sites"].values()))
        tools.succeed("ac-compile", "--no-raise", tmp_path / "model.onnx", "-o", tmp_path / f"{threshold}.so")
        plain = accordion.load(tmp_path / f"{threshold}.so", threads=1)
        for feed in (*feeds, unsure):
            got = session.run(None, feed, budgets=dict.fromkeys(budgets, threshold))
            assert got[0].tobytes() == plain.run(None, feed)[0].tobytes()
    assert depths == {0, 1, 2}, "a path was not taken"


def skips(form, threshold):
    """Two blocks that a gate lets run or passes by."""
    rng, g = seeded(form), Graph()
    h = g("Tanh", "x")
    for at in range(2):
        gate = g("Sigmoid", g("ReduceMean", g("MatMul", h, 9 * weight(rng, WIDTH, 1)), keepdims=0))
        on = g("Greater", gate, np.array(threshold, np.float32))
        if form == "where":
            h = g("Where", on, g("Add", h, mlp(g, h, rng)), h)
            continue
        body, other = Graph(f"body{at}_"), Graph(f"other{at}_")
        body("Add", h, mlp(body, h, rng), outputs=f"body{at}")
        other("Identity", h, outputs=f"other{at}")
        kind = (FLOAT, ["n", WIDTH])
        h = g(
            "If",
            on,
            then_branch=graph_of(body, "body", [], [(f"body{at}", *kind)]),
            else_branch=graph_of(other, "other", [], [(f"other{at}", *kind)]),
        )
    g("Tanh", h, outputs="y")
    return finish(g)


@pytest.mark.parametrize("form", ["where", "if"])
def test_skips(form, accordion, tmp_path):
    session = accordion.compile(skips(form, 0.5), threads=1)
    budgets = [budget.name for budget in session.get_budgets()]
    assert len(budgets) == 2 and all(name.startswith("skip.") for name in budgets)
    assert [site.kind for site in session.get_sites()] == ["skip", "skip"]
    ran = set()
    for threshold in (0.0, 0.5, 1.0):
        onnx.save(skips(form, threshold), tmp_path / "model.onnx")
        reference = real_models.onnx_runtime(tmp_path / "model.onnx")
        for feed in rows(seeded("skips"), 1, 1, 1, 1, 5):
            got = session.run(None, feed, budgets=dict.fromkeys(budgets, threshold))
            assert furthest(got, reference(feed)) < 1e-5
            ran.add(tuple(count[1] for count in session.stats()["sites"].values()))
    assert {(0, 0), (1, 1)} < ran, "a path was not taken"


def test_picked_rows_have_a_budget(accordion, tmp_path):
    """Samples that are not sure go on; those that go on are picked by the model itself."""

    def model(threshold):
        rng, g = seeded("picked"), Graph()
        first = g("Softmax", g("MatMul", "x", weight(rng, WIDTH, CLASSES)), axis=-1)
        unsure = g("LessOrEqual", g("ReduceMax", first, [-1], keepdims=0), np.array(threshold, np.float32))
        at = g("Transpose", g("NonZero", unsure), perm=[1, 0])
        second = g("Softmax", g("MatMul", mlp(g, g("GatherND", "x", at), rng), weight(rng, WIDTH, CLASSES)), axis=-1)
        g("ScatterND", first, at, second, outputs="y")
        return finish(g, outputs={"y": ROW})

    session = accordion.compile(model(0.5), threads=1)
    (budget,) = session.get_budgets()
    assert budget.name.startswith("exit.") and (budget.initial, budget.least, budget.most) == (0.5, 0.0, 1.0)
    (feed,) = rows(seeded("picked"), 40)
    for threshold in (0.0, 0.5, 1.0):
        onnx.save(model(threshold), tmp_path / "model.onnx")
        got = session.run(None, feed, budgets={budget.name: threshold})
        assert furthest(got, real_models.onnx_runtime(tmp_path / "model.onnx")(feed)) < 1e-5
