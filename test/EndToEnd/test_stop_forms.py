"""Rules by which models stop, as exporters write them: heads that agree, states that do not change any more. Whatever becomes
of them, the numbers of ONNX Runtime, exactly at the threshold and for NaN."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from adaptive import CLASSES, WIDTH, finish, graph_of, mlp, seeded, weight
from conftest import assert_as_onnx_runtime
from real_models.graph import BOOL, FLOAT, INT64, Graph

STEPS, EPSILON = 8, 0.125


def patience(needed=2, heads=4):
    """Heads one after another; the answer is there when `needed` in a row said what the one before said."""
    rng = seeded("patience")

    def head(g, x):
        return g("MatMul", x, 3 * weight(rng, WIDTH, CLASSES))

    def rest(g, hidden, before, count, left, outputs):
        hidden = mlp(g, hidden, rng)
        scores = head(g, hidden)
        best = g("ArgMax", scores, axis=1, keepdims=0)
        agrees = g("Equal", best, before)
        count = g("Where", agrees, g("Add", count, np.array([1])), np.array([0]))
        if left == 0:
            g("Identity", scores, outputs=outputs)
            return
        enough = g("Cast", g("ReduceMin", g("Cast", g("GreaterOrEqual", count, np.array([needed])), to=7), keepdims=0), to=9)
        yes, no = Graph(f"yes{left}_"), Graph(f"no{left}_")
        yes("Identity", scores, outputs=f"early{left}")
        rest(no, hidden, best, count, left - 1, f"late{left}")
        g(
            "If",
            enough,
            outputs=outputs,
            then_branch=graph_of(yes, "agreed", [], [(f"early{left}", FLOAT, ["n", CLASSES])]),
            else_branch=graph_of(no, "go_on", [], [(f"late{left}", FLOAT, ["n", CLASSES])]),
        )

    g = Graph()
    hidden = mlp(g, "x", rng)
    first = g("ArgMax", head(g, hidden), axis=1, keepdims=0)
    rest(g, hidden, first, g("Mul", first, np.array([0])), heads, "y")
    return finish(g, outputs={"y": (FLOAT, ["n", CLASSES])})


def looped(body_of, carried):
    """A Loop of at most STEPS over the state `x` and what else is carried: (name, type, shape, start)."""
    g, body = Graph(), Graph("body_")
    next_values, go = body_of(body)
    names = [("state", FLOAT, ["n", WIDTH])] + [(name, kind, shape) for name, kind, shape, _ in carried]
    outputs = [("go_out", BOOL, [])] + [(f"{name}_out", kind, shape) for name, kind, shape in names]
    body("Identity", go, outputs="go_out")
    for (name, _, _), value in zip(names, next_values):
        body("Identity", value, outputs=f"{name}_out")
    inputs = [("i", INT64, []), ("go_in", BOOL, []), *names]
    starts = [start(g) for *_, start in carried]
    results = g(
        "Loop", np.array(STEPS), np.array(True), "x", *starts,
        outputs=["y", *(f"end_{name}" for name, *_ in carried)], body=graph_of(body, "body", inputs, outputs),
    )  # fmt: skip
    return finish(g)


def halve(g, x):
    """Towards a fixed point by exact halves, through a matrix."""
    return g("MatMul", x, np.eye(WIDTH, dtype=np.float32) * np.float32(0.5))


def fixed_point_of_all():
    """Until the whole state changes by no more than EPSILON."""

    def body(g):
        new = halve(g, "state")
        change = g("ReduceL2", g("Sub", new, "state"), keepdims=0)
        return [new], g("Greater", change, EPSILON)

    return looped(body, [])


def fixed_point_of_rows(negated=False):
    """Each row until its largest change is no more than EPSILON; others go on."""

    def body(g):
        new = halve(g, "state")
        change = g("ReduceMax", g("Abs", g("Sub", new, "state")), [1], keepdims=1)
        moves = g("Not", g("LessOrEqual", change, EPSILON)) if negated else g("Greater", change, EPSILON)
        kept = g("Where", "runs", new, "state")
        runs = g("And", "runs", moves)
        some = g("Cast", g("ReduceMax", g("Cast", runs, to=7), keepdims=0), to=9)
        return [kept, runs], some

    start = lambda g: g("Cast", g("Add", g("Mul", g("Slice", "x", [0], [1], [1]), 0.0), 1.0), to=9)
    return looped(body, [("runs", BOOL, ["n", 1], start)])


def similar_rows():
    """Each row until the cosine between its states is at least a number."""

    def body(g):
        new = g("Tanh", g("MatMul", "state", weight(seeded("similar"), WIDTH, WIDTH)))
        length = lambda v: g("ReduceL2", v, [1], keepdims=1)
        cosine = g("Div", g("ReduceSum", g("Mul", new, "state"), [1], keepdims=1), g("Mul", length(new), length("state")))
        kept = g("Where", "runs", new, "state")
        runs = g("And", "runs", g("Less", cosine, 0.75))
        some = g("Cast", g("ReduceMax", g("Cast", runs, to=7), keepdims=0), to=9)
        return [kept, runs], some

    start = lambda g: g("Cast", g("Add", g("Mul", g("Slice", "x", [0], [1], [1]), 0.0), 1.0), to=9)
    return looped(body, [("runs", BOOL, ["n", 1], start)])


MODELS = {
    "patience": patience,
    "fixed_point_of_all": fixed_point_of_all,
    "fixed_point_of_rows": fixed_point_of_rows,
    "fixed_point_negated": lambda: fixed_point_of_rows(negated=True),
    "similar_rows": similar_rows,
}
model_of = lambda name: MODELS[name]()


def feeds_of(name):
    rng = seeded(name)
    feeds = [rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (7, 1, 3)]
    # Rows whose changes are 2^k: some of them meet the threshold exactly.
    exact = np.zeros((5, WIDTH), np.float32)
    exact[:, 0] = [8, 4, 1, 0.25, 0.2500001]
    feeds += [exact, exact[2:3], exact[3:4]]
    if name != "patience":
        # NaN of a row, which for some rules goes on and for others stops.
        bad = feeds[0].copy()
        bad[2, 3] = np.nan
        feeds.append(bad)
    return [{"x": x} for x in feeds]


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_onnx_runtime(name, accordion, tmp_path):
    model = model_of(name)
    onnx.checker.check_model(model, full_check=True)
    assert_as_onnx_runtime(accordion, model, feeds_of(name), tmp_path)


def test_patience_is_a_budget(accordion):
    """The number of heads that must agree is set for a run; the exits that are taken follow it."""
    session = accordion.compile(patience(needed=2), threads=1)
    (x,) = [feed["x"] for feed in feeds_of("patience")[:1]]
    names = [budget.name for budget in session.get_budgets()]
    assert len(names) == 4 and all(name.startswith("exit.") and name.endswith(".count") for name in names)
    for needed in (0, 1, 2, 3, 5):
        want = accordion.compile(patience(needed), threads=1).run(None, {"x": x})
        for name in names:
            session.set_budget(name, needed)
        assert np.array_equal(session.run(None, {"x": x})[0], want[0])


def test_fixed_point_is_a_budget(accordion):
    """A loop that stops for all rows at once stays a loop; how little must change is set for a run."""
    session = accordion.compile(fixed_point_of_all(), threads=1)
    (budget,) = session.get_budgets()
    assert budget.name.startswith("loop.") and budget.name.endswith(".value") and budget.initial == EPSILON
    x = np.zeros((1, WIDTH), np.float32)
    x[0, 0] = 8
    # A change of 8 / 2^k ends the loop where it is not above the threshold.
    for threshold, steps in ((EPSILON, 6), (0.5, 4), (0.49, 5), (8.0, 1), (1e-9, STEPS)):
        (y,) = session.run(None, {"x": x}, budgets={budget.name: threshold})
        assert y[0, 0] == 8 / 2**steps


@pytest.mark.parametrize("name", ["fixed_point_of_rows", "fixed_point_negated", "similar_rows"])
def test_rows_that_do_not_change_are_not_computed(name, accordion, tools, tmp_path):
    onnx.save(model_of(name), tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "--stop-after=raise", "-o", tmp_path / "raised.mlir")
    raised = (tmp_path / "raised.mlir").read_text()
    assert raised.count("= ac.halting_loop") == 1 and raised.count("= ac.masked_rows") == 1


def test_fixed_point_of_rows_is_a_budget(accordion):
    """The threshold by which rows stop is set for a run, and the work follows it."""
    session = accordion.compile(fixed_point_of_rows(), threads=1)
    (name,) = [budget.name for budget in session.get_budgets() if budget.name.endswith(".threshold")]
    x = np.zeros((3, WIDTH), np.float32)
    x[:, 0] = [8, 2, 0.5]
    # The first change is half of the row, and each the half of the one before.
    for threshold, steps in ((EPSILON, [6, 4, 2]), (0.5, [4, 2, 1]), (0.49, [5, 3, 1])):
        (y,) = session.run(None, {"x": x}, budgets={name: threshold})
        assert np.array_equal(y[:, 0], x[:, 0] / 2 ** np.array(steps))
        (counts,) = session.stats()["sites"].values()
        assert list(counts)[1] == sum(steps)
