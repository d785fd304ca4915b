"""Small models that decide while they run how much to compute, each with feeds that take every path.

`ADAPTIVE` maps a name to a function that returns (model, list of feeds). The forms are those in which exporters write
such models: gathered rows, masks, branches, loops that stop.
"""

from __future__ import annotations

import numpy as np
from onnx import helper
from real_models.graph import BOOL, FLOAT, INT64, Graph

WIDTH, INNER, CLASSES = 24, 48, 5


def collection():
    """A dictionary of functions by their names, and the decorator that puts them there."""
    functions = {}

    def collect(function):
        functions[function.__name__] = function
        return function

    return functions, collect


ADAPTIVE, adaptive = collection()


def seeded(name):
    return np.random.default_rng(sum(map(ord, name)))


def weight(rng, *shape):
    return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


def stack(rng, experts, *shape):
    """A weight for each expert, [experts, ...]."""
    return (rng.standard_normal((experts, *shape)) / np.sqrt(shape[-2])).astype(np.float32)


def rows(rng, *counts):
    """Feeds `x` of several heights."""
    return [{"x": rng.standard_normal((n, WIDTH)).astype(np.float32)} for n in counts]


def mlp(g, x, rng):
    hidden = g("Gelu", g("Add", g("MatMul", x, weight(rng, WIDTH, INNER)), weight(rng, INNER)))
    return g("Add", g("MatMul", hidden, weight(rng, INNER, WIDTH)), weight(rng, WIDTH))


def finish(g, inputs=None, outputs=None):
    inputs = inputs or {"x": (FLOAT, ["n", WIDTH])}
    outputs = outputs or {"y": (FLOAT, ["n", WIDTH])}
    return g.model("adaptive", inputs, outputs, opset=20, ir=9)


def graph_of(g, name, inputs, outputs):
    """A body: `inputs` and `outputs` are (name, type, dimensions)."""
    value = lambda item: helper.make_tensor_value_info(*item)
    return helper.make_graph(g.nodes, name, list(map(value, inputs)), list(map(value, outputs)), g.initializers)


@adaptive
def gathered_rows():
    """Rows over a gate go through an MLP; NonZero, GatherND, ScatterND. Feeds: some, none, all, no row at all."""
    rng, g = seeded("gathered_rows"), Graph()
    gate = g("Greater", g("ReduceMean", "x", [1], keepdims=0), 0.0)
    at = g("Transpose", g("NonZero", gate), perm=[1, 0])
    g("ScatterND", "x", at, mlp(g, g("GatherND", "x", at), rng), outputs="y")
    some = rows(rng, 13, 1)
    far = [{"x": np.abs(rng.standard_normal((4, WIDTH))).astype(np.float32) * sign} for sign in (np.float32(-1), np.float32(1))]
    return finish(g), some + far + rows(rng, 0)


@adaptive
def masked_rows():
    """The same computed for all rows, then selected."""
    rng, g = seeded("masked_rows"), Graph()
    gate = g("Greater", g("ReduceMean", "x", [1], keepdims=1), 0.0)
    g("Where", gate, mlp(g, "x", rng), "x", outputs="y")
    return finish(g), rows(rng, 13, 1, 0)


@adaptive
def routed_experts():
    """Top two of four experts for each row, weighted by their softmax; each expert takes the rows that chose it."""
    rng, g = seeded("routed_experts"), Graph()
    logits = g("MatMul", "x", weight(rng, WIDTH, 4))
    best, which = g("TopK", logits, [2], outputs=2, axis=1, largest=1, sorted=1)
    share = g("Softmax", best, axis=1)
    total = g("Mul", "x", 0.0)
    for expert in range(4):
        chosen = g("Equal", which, expert)
        at = g("NonZero", chosen)
        row = g("Squeeze", g("Slice", at, [0], [1], [0]), [0])
        scale = g("Unsqueeze", g("GatherND", share, g("Transpose", at, perm=[1, 0])), [1])
        answer = g("Mul", mlp(g, g("Gather", "x", row), rng), scale)
        total = g("ScatterND", total, g("Unsqueeze", row, [1]), answer, reduction="add")
    g("Identity", total, outputs="y")
    return finish(g), rows(rng, 17, 2, 0)


@adaptive
def early_exit():
    """A second part only if the first is not sure: If, the branches capture values of the graph around them."""
    rng, g = seeded("early_exit"), Graph()
    hidden = mlp(g, "x", rng)
    first = g("Softmax", g("MatMul", hidden, weight(rng, WIDTH, CLASSES)), axis=1)
    sure = g("Greater", g("ReduceMin", g("ReduceMax", first, [1], keepdims=0), keepdims=0), "threshold")
    yes, no = Graph("yes_"), Graph("no_")
    yes("Identity", first, outputs="early")
    deeper = mlp(no, mlp(no, hidden, rng), rng)
    no("Softmax", no("MatMul", deeper, weight(rng, WIDTH, CLASSES)), axis=1, outputs="late")
    g(
        "If",
        sure,
        outputs="y",
        then_branch=graph_of(yes, "sure", [], [("early", FLOAT, ["n", CLASSES])]),
        else_branch=graph_of(no, "unsure", [], [("late", FLOAT, ["n", CLASSES])]),
    )
    inputs = {"x": (FLOAT, ["n", WIDTH]), "threshold": (FLOAT, [])}
    feeds = [{**rows(rng, n)[0], "threshold": np.array(t, np.float32)} for n, t in ((3, 0.0), (3, 1.0), (1, 0.25))]
    return finish(g, inputs, {"y": (FLOAT, ["n", CLASSES])}), feeds


@adaptive
def different_branches():
    """If whose branches answer with different numbers of rows."""
    rng, g = seeded("different_branches"), Graph()
    yes, no = Graph("yes_"), Graph("no_")
    yes("Concat", "x", "x", axis=0, outputs="twice")
    no("Slice", "x", [0], [1], [0], outputs="first")
    shape = [None, WIDTH]
    g(
        "If",
        g("Greater", g("ReduceSum", "x", keepdims=0), 0.0),
        outputs="y",
        then_branch=graph_of(yes, "yes", [], [("twice", FLOAT, shape)]),
        else_branch=graph_of(no, "no", [], [("first", FLOAT, shape)]),
    )
    feeds = [{"x": np.full((n, WIDTH), v, np.float32)} for n, v in ((3, 1), (3, -1), (1, 1), (1, -1))]
    return finish(g, outputs={"y": (FLOAT, ["m", WIDTH])}), feeds


def loop_body(g, name, state, scan, extra=()):
    """A Loop body with inputs i, go, the state; outputs again, the state after, the scan outputs."""
    inputs = [(f"{name}_i", INT64, []), (f"{name}_go", BOOL, []), *state]
    return graph_of(g, name, inputs, [(f"{name}_again", BOOL, []), *extra, *scan])


@adaptive
def counted_loop():
    """Trip count from a feed, also zero; one carried value, one scan output, the weight captured."""
    rng, g, step = seeded("counted_loop"), Graph(), Graph("step_")
    g.constant(weight(rng, WIDTH, WIDTH), "w")
    step("Tanh", step("MatMul", "h", "w"), outputs="h_after")
    step("ReduceSum", "h_after", keepdims=0, outputs="seen")
    step("Identity", "step_go", outputs="step_again")
    body = loop_body(step, "step", [("h", FLOAT, ["n", WIDTH])], [("seen", FLOAT, [])], [("h_after", FLOAT, ["n", WIDTH])])
    g("Loop", "count", np.array(True), "x", outputs=["y", "sums"], body=body)
    inputs = {"x": (FLOAT, ["n", WIDTH]), "count": (INT64, [])}
    outputs = {"y": (FLOAT, ["n", WIDTH]), "sums": (FLOAT, ["steps"])}
    return finish(g, inputs, outputs), [{**rows(rng, 2)[0], "count": np.array(c)} for c in (0, 1, 7)]


@adaptive
def halting_loop():
    """Adaptive computation time: until the accumulated halting probability of every row is one, at most ten steps;
    carried are the state, what is accumulated, and the answer; a scan output tells how many rows still run."""
    rng, g, s = seeded("halting_loop"), Graph(), Graph("step_")
    g.constant(weight(rng, WIDTH, WIDTH), "w")
    g.constant(weight(rng, WIDTH, 1), "halt")
    s("Tanh", s("MatMul", "h", "w"), outputs="h_after")
    p = s("Sigmoid", s("MatMul", "h_after", "halt"))
    left = s("Sub", 1.0, "sum")
    used = s("Min", p, left)
    s("Add", "sum", used, outputs="sum_after")
    s("Add", "answer", s("Mul", "h_after", used), outputs="answer_after")
    running = s("Less", "sum_after", 0.9999)
    s("ReduceSum", s("Cast", running, to=INT64), keepdims=0, outputs="alive")
    s("Greater", "alive", 0, outputs="step_again")
    state = [("h", FLOAT, ["n", WIDTH]), ("sum", FLOAT, ["n", 1]), ("answer", FLOAT, ["n", WIDTH])]
    after = [(f"{name}_after", kind, dims) for name, kind, dims in state]
    body = loop_body(s, "step", state, [("alive", INT64, [])], after)
    zero = g("Mul", "x", 0.0)
    nothing = g("ReduceSum", zero, [1], keepdims=1)
    g("Loop", 10, np.array(True), "x", nothing, zero, outputs=["last", "mass", "y", "counts"], body=body)
    outputs = {"y": (FLOAT, ["n", WIDTH]), "counts": (INT64, ["steps"])}
    return finish(g, outputs=outputs), rows(rng, 6, 1) + [{"x": rows(rng, 3)[0]["x"] * 40}]


@adaptive
def growing_loop():
    """A carried value that grows by a row a step."""
    rng, g, s = seeded("growing_loop"), Graph(), Graph("step_")
    s("Concat", "all", s("ReduceMean", "all", [0], keepdims=1), axis=0, outputs="all_after")
    s("Identity", "step_go", outputs="step_again")
    body = loop_body(s, "step", [("all", FLOAT, [None, WIDTH])], [], [("all_after", FLOAT, [None, WIDTH])])
    g("Loop", "count", np.array(True), "x", outputs="y", body=body)
    inputs = {"x": (FLOAT, ["n", WIDTH]), "count": (INT64, [])}
    feeds = [{**rows(rng, n)[0], "count": np.array(c)} for n, c in ((2, 3), (1, 0), (5, 1))]
    return finish(g, inputs, {"y": (FLOAT, ["m", WIDTH])}), feeds


@adaptive
def nested_loop():
    """A Loop in a Loop, the inner one as long as the outer one's index; both capture."""
    rng, g, outer, inner = seeded("nested_loop"), Graph(), Graph("outer_"), Graph("inner_")
    inner("Add", "v", inner("Mul", "x", 0.125), outputs="v_after")
    inner("Identity", "inner_go", outputs="inner_again")
    shape = ["n", WIDTH]
    inside = loop_body(inner, "inner", [("v", FLOAT, shape)], [], [("v_after", FLOAT, shape)])
    outer("Loop", "outer_i", np.array(True), "u", outputs="u_after", body=inside)
    outer("Less", outer("ReduceMax", "u_after", keepdims=0), 4.0, outputs="outer_again")
    body = loop_body(outer, "outer", [("u", FLOAT, shape)], [], [("u_after", FLOAT, shape)])
    g("Loop", "", np.array(True), "x", outputs="y", body=body)
    x = np.abs(rows(rng, 3)[0]["x"])
    return finish(g), [{"x": x}, {"x": x * 8}]


@adaptive
def scanned_recurrence():
    """Scan: a gated linear recurrence over time; feeds of length 9, 1 and 0."""
    rng, g, s = seeded("scanned_recurrence"), Graph(), Graph("step_")
    keep = s("Sigmoid", "a")
    s("Add", s("Mul", keep, "h"), s("Mul", s("Sub", 1.0, keep), "u"), outputs="h_after")
    s("Identity", "h_after", outputs="seen")
    vector = [WIDTH]
    inputs = [("h", FLOAT, vector), ("a", FLOAT, vector), ("u", FLOAT, vector)]
    body = graph_of(s, "step", inputs, [("h_after", FLOAT, vector), ("seen", FLOAT, vector)])
    start = np.zeros(WIDTH, np.float32)
    decay = g("MatMul", "x", weight(rng, WIDTH, WIDTH))
    g("Scan", start, decay, "x", outputs=["last", "y"], body=body, num_scan_inputs=2)
    outputs = {"last": (FLOAT, vector), "y": (FLOAT, ["n", WIDTH])}
    return finish(g, outputs=outputs), rows(rng, 9, 1)


@adaptive
def skipped_block():
    """Mixture of depths: the best half of the rows, by TopK, goes through a block, the others pass."""
    rng, g = seeded("skipped_block"), Graph()
    score = g("Squeeze", g("MatMul", "x", weight(rng, WIDTH, 1)), [1])
    half = g("Div", g("Shape", score), [2])
    _, at = g("TopK", score, half, outputs=2, axis=0)
    answer = g("Add", mlp(g, g("Gather", "x", at, axis=0), rng), g("Gather", "x", at, axis=0))
    index = g("Expand", g("Unsqueeze", at, [1]), g("Concat", half, [WIDTH], axis=0))
    g("ScatterElements", "x", index, answer, axis=0, outputs="y")
    return finish(g), rows(rng, 10, 3, 1)


def stacked(name, select):
    """Learners stacked along a new axis; of each row the first few, by a gate, are summed, none included."""
    rng, g = seeded(name), Graph()
    stack = g("Concat", *(g("Unsqueeze", mlp(g, "x", rng), [1]) for _ in range(3)), axis=-2)
    wanted = g("ArgMax", g("MatMul", "x", weight(rng, WIDTH, 4)), axis=-1, keepdims=1)
    taken = g("Unsqueeze", g("Less", [0, 1, 2], wanted), [-1])
    g("ReduceSum", select(g, stack, taken), [1], keepdims=0, outputs="y")
    return finish(g), rows(rng, 13, 1, 0)


@adaptive
def stacked_learners():
    return stacked("stacked_learners", lambda g, stack, taken: g("Mul", stack, g("Cast", taken, to=FLOAT)))


@adaptive
def stacked_learners_where():
    return stacked("stacked_learners_where", lambda g, stack, taken: g("Where", taken, stack, 0.0))


def mixture(name, activation, k, normalized, biased=True, **attributes):
    """com.microsoft.MoE. Feeds: many rows with ties and far-off router values, one, none, most to the same expert."""
    rng, g, experts = seeded(name), Graph(), 4
    first = 2 * INNER if activation == "swiglu" else INNER
    stack = lambda *shape: (rng.standard_normal((experts, *shape)) / np.sqrt(shape[-1])).astype(np.float32)
    bias = lambda size: stack(size) if biased else ""
    g(
        "MoE",
        *("x", "router", stack(first, WIDTH), bias(first), stack(WIDTH, INNER), bias(WIDTH)),
        outputs="y",
        domain="com.microsoft",
        k=k,
        activation_type=activation,
        normalize_routing_weights=int(normalized),
        **attributes,
    )
    feeds = rows(rng, 37, 1, 0, 9)
    for feed in feeds:
        feed["router"] = rng.standard_normal((len(feed["x"]), experts)).astype(np.float32)
    feeds[0]["router"][:5] = 0
    feeds[0]["router"][5:9, 1] = -50
    feeds[3]["router"][:, 2] += 9
    model = finish(g, {"x": (FLOAT, ["n", WIDTH]), "router": (FLOAT, ["n", experts])})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model, feeds


@adaptive
def experts_relu():
    return mixture("experts_relu", "relu", 1, normalized=False)


@adaptive
def experts_gelu():
    return mixture("experts_gelu", "gelu", 2, normalized=True)


@adaptive
def experts_silu():
    return mixture("experts_silu", "silu", 4, normalized=True, biased=False)


@adaptive
def experts_swiglu():
    gate = {"swiglu_fusion": 1, "activation_alpha": 1.702, "swiglu_limit": 1.5}
    return mixture("experts_swiglu", "swiglu", 2, normalized=False, **gate)
