"""ONNX models that pick rows, as exporters write them: the numbers of ONNX Runtime as they are, and those of the formula
once a budget says to compute less."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import real_models
from adaptive import FLOAT, WIDTH, finish, graph_of, weight
from conftest import furthest
from programs import seeded
from real_models.graph import BOOL, INT64, Graph

COUNTS = (23, 1, 0)


class Model:
    """A model, its artefact, and ONNX Runtime beside it."""

    def __init__(self, accordion, folder, model):
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, folder / "model.onnx")
        self.reference = real_models.onnx_runtime(folder / "model.onnx")
        self.session = accordion.compile(model, threads=1)
        self.kinds = {site.kind for site in self.session.get_sites()}
        self.initial = {budget.name: budget.value for budget in self.session.get_budgets()}

    def budget(self, ending):
        (name,) = (name for name in self.initial if name.endswith(ending))
        return name

    def __call__(self, feeds, **budgets):
        return self.session.run(None, feeds, budgets={self.budget(name): value for name, value in budgets.items()})

    def check(self, feeds):
        got = self.session.run(None, feeds)
        assert furthest(got, self.reference(feeds)) < 1e-5
        # Budgets that say what the model says change no bit.
        again = self.session.run(None, feeds, budgets=self.initial)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(got, again))


class Work:
    """Two products and an activation, in the graph and in numpy."""

    def __init__(self, rng):
        self.a, self.b = weight(rng, WIDTH, 2 * WIDTH), weight(rng, 2 * WIDTH, WIDTH)

    def graph(self, g, x):
        return g("MatMul", g("Tanh", g("MatMul", x, self.a)), self.b)

    def __call__(self, x):
        return np.tanh(x.astype(np.float64) @ self.a) @ self.b


def picked(g, chosen, form, x, total, work, add=True):
    """`total` with what `work` makes of the rows of `x` that are chosen, by their indices."""
    at = g("NonZero", chosen)
    reduction = {"reduction": "add"} if add else {}
    if form == "elements":
        row = g("Squeeze", at, [0])
        value = work(g, g("Gather", x, row, axis=0))
        return g("ScatterElements", total, g("Expand", g("Unsqueeze", row, [1]), g("Shape", value)), value, axis=0, **reduction)
    index = g("Transpose", at, perm=[1, 0])
    return g("ScatterND", total, index, work(g, g("GatherND", x, index)), **reduction)


FORMS = ["masked", "gathered", "elements"]


@pytest.fixture(scope="module", params=FORMS)
def learners(request, accordion, tmp_path_factory):
    """Of three learners, each row is the sum of the first few, by a gate, and of itself."""
    rng, g, form = seeded("learners"), Graph(), request.param
    work, gate = [Work(rng) for _ in range(3)], weight(rng, WIDTH, 4)
    flat = form != "masked"
    k = g("ArgMax", g("MatMul", "x", gate), axis=-1, keepdims=int(not flat))
    total = "x"
    for n, learner in enumerate(work):
        on = g("Greater", k, n)
        if flat:
            total = picked(g, on, form, "x", total, learner.graph)
        else:
            total = g("Add", total, g("Mul", learner.graph(g, "x"), g("Cast", on, to=FLOAT)))
    g("Identity", total, outputs="y")
    model = Model(accordion, tmp_path_factory.mktemp(form), finish(g))

    def formula(x, cap=3, bias=0.0):
        k = np.minimum((x @ gate + bias * np.arange(4)).argmax(axis=-1), cap)[:, None]
        return x + sum(np.where(k > n, learner(x), 0) for n, learner in enumerate(work))

    return model, formula


def test_learners(learners):
    model, formula = learners
    assert model.kinds == {"learner_chain"}
    for count in COUNTS:
        x = seeded("x", count).standard_normal((count, WIDTH)).astype(np.float32)
        model.check({"x": x})
        for cap in range(4):
            for name in ("learner_chain.cap", next(n for n in model.initial if n.endswith(".cap") and n.count(".") > 1)):
                (y,) = model.session.run(None, {"x": x}, budgets={name: cap})
                assert np.allclose(y, formula(x, cap=cap), atol=1e-5), cap
        assert np.array_equal(model.session.run(None, {"x": x}, budgets={"learner_chain.cap": 0})[0], x)
        for bias in (-1000, -0.5, 0.5, 1000):
            (y,) = model({"x": x}, **{"learner_chain.bias": bias})
            assert np.allclose(y, formula(x, bias=np.float32(bias)), atol=1e-5), bias


@pytest.fixture(scope="module", params=["masked", "gathered", "slots first"])
def experts(request, accordion, tmp_path_factory):
    """Each row goes through the two best of three experts."""
    rng, g, form = seeded("experts"), Graph(), request.param
    work, router = [Work(rng) for _ in range(3)], weight(rng, WIDTH, 3)
    best, which = g("TopK", g("MatMul", "x", router), [2], outputs=2, axis=1, largest=1, sorted=1)
    share = g("Softmax", best, axis=1)
    total = g("Mul", "x", 0.0)
    weights = g("ScatterElements", g("Mul", g("MatMul", "x", router), 0.0), which, share, axis=1)
    for n, expert in enumerate(work):
        if form == "masked":
            total = g("Add", total, g("Mul", expert.graph(g, "x"), g("Gather", weights, [n], axis=1)))
            continue
        chosen, order = g("Equal", which, n), (0, 1)
        if form == "slots first":
            chosen, order = g("Transpose", chosen, perm=[1, 0]), (1, 0)
        at = g("NonZero", chosen)
        row, slot = (g("Squeeze", g("Slice", at, [i], [i + 1], [0]), [0]) for i in order)
        pair = g("Concat", g("Unsqueeze", row, [1]), g("Unsqueeze", slot, [1]), axis=1)
        scale = g("Unsqueeze", g("GatherND", share, pair), [1])
        answer = g("Mul", expert.graph(g, g("Gather", "x", row, axis=0)), scale)
        total = g("ScatterND", total, g("Unsqueeze", row, [1]), answer, reduction="add")
    g("Identity", total, outputs="y")
    model = Model(accordion, tmp_path_factory.mktemp("experts"), finish(g))

    def formula(x, k=3):
        scores = x.astype(np.float64) @ router
        order = np.argsort(-scores, axis=1)[:, :2]
        best = np.take_along_axis(scores, order, 1)
        share = np.exp(best) / np.exp(best).sum(axis=1, keepdims=True)
        share[:, k:] = 0
        total = share.sum(axis=1, keepdims=True)
        share = np.divide(share, total, out=np.zeros_like(share), where=total != 0)
        return sum(np.where(order == n, share, 0).sum(axis=1, keepdims=True) * e(x) for n, e in enumerate(work))

    return model, formula


def test_experts(experts):
    model, formula = experts
    assert model.kinds == {"moe_dispatch"}
    for count in COUNTS:
        x = seeded("x", count).standard_normal((count, WIDTH)).astype(np.float32)
        model.check({"x": x})
        for k in range(4):
            (y,) = model({"x": x}, **{".k": k})
            assert np.allclose(y, formula(x, k), atol=1e-5), k


def test_choices_in_slots(accordion, tmp_path):
    """A slot that chooses no expert, whatever its weight is; two slots that choose the same one."""
    rng, g = seeded("slots"), Graph()
    total = g("Mul", "x", 0.0)
    for n in range(2):
        expert, at = Work(rng), g("NonZero", g("Equal", "which", n))
        row = g("Squeeze", g("Slice", at, [0], [1], [0]), [0])
        scale = g("Unsqueeze", g("GatherND", "share", g("Transpose", at, perm=[1, 0])), [1])
        answer = g("Mul", expert.graph(g, g("Gather", "x", row, axis=0)), scale)
        total = g("ScatterND", total, g("Unsqueeze", row, [1]), answer, reduction="add")
    g("Identity", total, outputs="y")
    inputs = {"x": (FLOAT, ["n", WIDTH]), "which": (INT64, ["n", 2]), "share": (FLOAT, ["n", 2])}
    model = Model(accordion, tmp_path, finish(g, inputs))
    assert model.kinds == {"moe_dispatch"}
    x = rng.standard_normal((6, WIDTH)).astype(np.float32)
    which = np.array([[0, -1], [-1, -1], [1, 1], [0, 1], [1, 0], [1, -1]])
    share = np.float32([[0.5, np.nan], [np.inf, np.nan], [0.25, 0.5], [0, 2], [-1, 1], [np.nan, 0]])
    model.check({"x": x, "which": which, "share": share})


LIMIT, THRESHOLD = 6, 0.75


@pytest.fixture(scope="module", params=["masked", "gathered"])
def halting(request, accordion, tmp_path_factory):
    """Adaptive computation time: each row until its halting probabilities sum up to a threshold; the answer is the mean of
    its states by them."""
    rng, g, s, form = seeded("halting"), Graph(), Graph("step_"), request.param
    work, halt = Work(rng), weight(rng, WIDTH, 1)
    go = s("Less", "a", THRESHOLD)
    if form == "masked":
        h = s("Where", go, work.graph(s, "h"), "h", outputs="h_after")
    else:
        h = s("Identity", picked(s, s("Squeeze", go, [1]), "nd", "h", "h", work.graph, add=False), outputs="h_after")
    p = s("Mul", s("Sigmoid", s("MatMul", h, halt)), s("Cast", go, to=FLOAT))
    s("Add", "a", p, outputs="a_after")
    s("Add", "y", s("Mul", h, p), outputs="y_after")
    s("Add", "t", s("Cast", go, to=FLOAT), outputs="t_after")
    running = s("Cast", s("Less", "a_after", THRESHOLD), to=INT64)
    s("Greater", s("ReduceSum", running, keepdims=0), 0, outputs="again")
    column, rows = ["n", 1], ["n", WIDTH]
    state = [("h", FLOAT, rows), ("a", FLOAT, column), ("y", FLOAT, rows), ("t", FLOAT, column)]
    after = [("again", BOOL, []), *((f"{name}_after", kind, dims) for name, kind, dims in state)]
    body = graph_of(s, "step", [("i", INT64, []), ("go", BOOL, []), *state], after)
    g("Mul", "x", 0.0, outputs="zero")
    names = ["last", "mass", "y_out", "steps"]
    g("Loop", LIMIT, np.array(True), "x", "start", "zero", "start", outputs=names, body=body)
    outputs = {name: (FLOAT, dims) for name, dims in zip(names, (rows, column, rows, column))}
    inputs = {"x": (FLOAT, rows), "start": (FLOAT, column)}
    model = Model(accordion, tmp_path_factory.mktemp("halting"), finish(g, inputs, outputs))

    def formula(x, start, limit=LIMIT, threshold=THRESHOLD):
        h, a, y, t = x.astype(np.float64), start.astype(np.float64), np.zeros(x.shape), start.astype(np.float64)
        for _ in range(limit):
            go = a < threshold
            h = np.where(go, work(h), h)
            p = go / (1 + np.exp(-(h @ halt)))
            a, y, t = a + p, y + h * p, t + go
        return [h, a, y, t]

    return model, formula


def test_halting(halting):
    """All rows halt at once, none before the limit, some; fewer steps, and an earlier end for each row, by budgets."""
    model, formula = halting
    assert model.kinds == {"halting_loop"}
    for count in COUNTS:
        x = seeded("x", count).standard_normal((count, WIDTH)).astype(np.float32)
        for start in (0, 1, -9):
            feeds = {"x": x, "start": np.full((count, 1), start, np.float32)}
            model.check(feeds)
            for limit in (0, 1, 2, LIMIT):
                got = model(feeds, **{".limit": limit})
                assert all(np.allclose(g, w, atol=1e-5) for g, w in zip(got, formula(**feeds, limit=limit))), limit
            for threshold in (0.0, 0.25):
                got = model(feeds, **{".threshold": threshold})
                assert all(np.allclose(g, w, atol=1e-5) for g, w in zip(got, formula(**feeds, threshold=threshold)))


def test_threshold_of_a_mask(accordion, tmp_path):
    """Rows over a threshold go through the work; the threshold is a budget."""
    rng, g = seeded("mask"), Graph()
    work = Work(rng)
    gate = g("Greater", g("ReduceMean", "x", [1], keepdims=1), 0.0)
    g("Where", gate, work.graph(g, "x"), "x", outputs="y")
    model = Model(accordion, tmp_path, finish(g))
    assert model.kinds == {"masked_rows"}
    x = rng.standard_normal((23, WIDTH)).astype(np.float32)
    model.check({"x": x})
    mean = x.mean(axis=1, keepdims=True)
    for threshold in (-100, 0.1, 100):
        (y,) = model({"x": x}, **{".value": threshold})
        assert np.allclose(y, np.where(mean > threshold, work(x), x), atol=1e-5)


@pytest.mark.parametrize("limit", ["", "limit"])
def test_halting_without_a_limit(accordion, tmp_path, limit):
    """A loop that ends by its rows alone, or whose limit is an input; what is told of it is of the steps that it made."""
    rng, g, s = seeded("without"), Graph(), Graph("step_")
    work = Work(rng)
    go = s("Less", "a", THRESHOLD)
    s("Where", go, work.graph(s, "h"), "h", outputs="h_after")
    s("Add", "a", s("Mul", s("Cast", go, to=FLOAT), 0.25), outputs="a_after")
    s("Greater", s("ReduceSum", s("Cast", s("Less", "a_after", THRESHOLD), to=INT64), keepdims=0), 0, outputs="again")
    state = [("h", FLOAT, ["n", WIDTH]), ("a", FLOAT, ["n", 1])]
    after = [("again", BOOL, []), *((f"{name}_after", kind, dims) for name, kind, dims in state)]
    body = graph_of(s, "step", [("i", INT64, []), ("go", BOOL, []), *state], after)
    g("Loop", limit, np.array(True), "x", "start", outputs=["y", "mass"], body=body)
    inputs = {"x": (FLOAT, ["n", WIDTH]), "start": (FLOAT, ["n", 1])} | ({limit: (INT64, [])} if limit else {})
    model = Model(accordion, tmp_path, finish(g, inputs, {"y": (FLOAT, ["n", WIDTH]), "mass": (FLOAT, ["n", 1])}))
    assert model.kinds == {"halting_loop"}
    feeds = {"x": rng.standard_normal((5, WIDTH)).astype(np.float32), "start": np.float32([[0], [0.5], [2], [0], [0.25]])}
    for most in (2**63 - 1, 2, 0) if limit else (2**63 - 1,):
        feeds |= {limit: np.array(most)} if limit else {}
        model.check(feeds)
        (counters,) = model.session.stats()["sites"].values()
        steps = np.minimum([3, 1, 0, 3, 2], most)
        assert list(counters) == [5 * steps.max(), steps.sum()]


@pytest.mark.parametrize("ends", [THRESHOLD, 0.5])
def test_halting_loop_that_counts(accordion, tmp_path, ends):
    """As PyTorch's while_loop is exported: a count of its steps, below a constant while some row is below a threshold,
    which may be another than that by which rows run; the state and its sum are made by one product. With one threshold
    the count is an output: the first step is made even if no row runs."""
    rng, g, s = seeded("counts"), Graph(), Graph("step_")
    work, counted = Work(rng), ends == THRESHOLD
    go = s("Less", "a", THRESHOLD)
    p = s("Mul", s("Cast", go, to=FLOAT), s("Sigmoid", s("MatMul", "h", weight(rng, WIDTH, 1))))
    new = work.graph(s, "h")
    s("Add", "c", 1, outputs="c_after")
    s("Where", s("Greater", p, 0.0), new, "h", outputs="h_after")
    s("Add", s("Mul", new, p), s("Mul", "y", s("Sub", 1.0, p)), outputs="y_after")
    s("Add", "a", p, outputs="a_after")
    some = s("Cast", s("ReduceMax", s("Cast", s("Less", "a_after", ends), to=INT64), keepdims=0), to=BOOL)
    s("And", s("Less", "c_after", LIMIT), some, outputs="again")
    state = [("c", INT64, []), ("h", FLOAT, ["n", WIDTH]), ("a", FLOAT, ["n", 1]), ("y", FLOAT, ["n", WIDTH])]
    after = [("again", BOOL, []), *((f"{name}_after", kind, dims) for name, kind, dims in state)]
    body = graph_of(s, "step", [("i", INT64, []), ("go", BOOL, []), *state], after)
    g("Mul", "x", 0.0, outputs="zero")
    g("Loop", "", np.array(True), 0, "x", "start", "zero", outputs=["count", "last", "mass", "y"], body=body)
    outputs = {"last": state[1][1:], "mass": state[2][1:], "y": state[3][1:]} | ({"count": state[0][1:]} if counted else {})
    model = Model(accordion, tmp_path, finish(g, {"x": state[1][1:], "start": state[2][1:]}, outputs))
    assert "halting_loop" in model.kinds
    for count in (23, 1):
        for start in (-9, -1, 0, 0.75, 1):
            x = rng.standard_normal((count, WIDTH)).astype(np.float32)
            model.check({"x": x, "start": np.full((count, 1), start, np.float32)})


@pytest.mark.parametrize("lead", [["n"], ["b", "n"]])
def test_halting_rows_that_attend_to_others(accordion, tmp_path, lead):
    """Rows that run attend to all rows, those that have halted included, and go through as many learners as each asks for."""
    rng, g, s = seeded("attention"), Graph(), Graph("step_")
    query, keys, values = (weight(rng, WIDTH, WIDTH) for _ in range(3))
    work, halt, gate = [Work(rng) for _ in range(2)], weight(rng, WIDTH, 1), weight(rng, WIDTH, 3)
    go = s("Less", "a", THRESHOLD)
    last = len(lead)
    turned = s("Transpose", s("MatMul", "h", keys), perm=[*range(last - 1), last, last - 1])
    product = s("MatMul", s("MatMul", "h", query), turned)
    new = s("Add", "h", s("MatMul", s("Softmax", product, axis=-1), s("MatMul", "h", values)))
    k = s("ArgMax", s("MatMul", "h", gate), axis=-1, keepdims=1)
    for n, learner in enumerate(work):
        new = s("Add", new, s("Mul", learner.graph(s, "h"), s("Cast", s("Greater", k, n), to=FLOAT)))
    s("Where", go, new, "h", outputs="h_after")
    p = s("Mul", s("Sigmoid", s("MatMul", "h_after", halt)), s("Cast", go, to=FLOAT))
    s("Add", "a", p, outputs="a_after")
    s("Greater", s("ReduceSum", s("Cast", s("Less", "a_after", THRESHOLD), to=INT64), keepdims=0), 0, outputs="again")
    state = [("h", FLOAT, [*lead, WIDTH]), ("a", FLOAT, [*lead, 1])]
    after = [("again", BOOL, []), *((f"{name}_after", kind, dims) for name, kind, dims in state)]
    body = graph_of(s, "step", [("i", INT64, []), ("go", BOOL, []), *state], after)
    g("Loop", LIMIT, np.array(True), "x", "start", outputs=["y", "mass"], body=body)
    inputs, outputs = {"x": state[0][1:], "start": state[1][1:]}, {"y": state[0][1:], "mass": state[1][1:]}
    model = Model(accordion, tmp_path, finish(g, inputs, outputs))
    assert "halting_loop" in model.kinds
    for count in (9, 1):
        shape = (3, count)[-len(lead) :]
        for start in (-1, 0, 1):
            x = rng.standard_normal((*shape, WIDTH)).astype(np.float32)
            model.check({"x": x, "start": (start + rng.random((*shape, 1))).astype(np.float32)})
