"""Adaptive computation modules: a gate chooses for each row how many learners are summed."""

from __future__ import annotations

import numpy as np

from .builder import FLOAT, Builder, WeightsFile, attention, layer_norm, normal
from .family import Family


def learner_weights(name, i, width, hidden):
    part = f"{name}.learner{i}"
    return (
        (f"{part}.up.w", lambda: normal(f"{part}.up.w", width, hidden)),
        (f"{part}.up.b", lambda: normal(f"{part}.up.b", hidden, scale=0.02)),
        (f"{part}.down.w", lambda: normal(f"{part}.down.w", hidden, width)),
        (f"{part}.down.b", lambda: normal(f"{part}.down.b", width, scale=0.02)),
    )


def learner(g, x, name, i, width, hidden):
    up, up_bias, down, down_bias = (g.weight(*w) for w in learner_weights(name, i, width, hidden))
    inner = g("Gelu", g("Add", g("MatMul", x, up), up_bias))
    return g("Add", g("MatMul", inner, down), down_bias)


def wide(g, x, name, learners, width, hidden):
    """All learners for every row, as the one wide perceptron that they are together."""
    made = [[make for _, make in learner_weights(name, i, width, hidden)] for i in range(learners)]
    up = g.weight(f"{name}.up.w", lambda: np.concatenate([m[0]() for m in made], 1))
    up_bias = g.weight(f"{name}.up.b", lambda: np.concatenate([m[1]() for m in made]))
    down = g.weight(f"{name}.down.w", lambda: np.concatenate([m[2]() for m in made]))
    down_bias = g.weight(f"{name}.down.b", lambda: sum(m[3]() for m in made))
    inner = g("Gelu", g("Add", g("MatMul", x, up), up_bias))
    return g("Add", g("MatMul", inner, down), down_bias)


def module(g, x, name, form, rows, width, hidden, sizes, at):
    """One adaptive computation module: a gate chooses k for each row, and the first k learners are summed."""
    learners = sizes["learners"]
    if form == "dense":
        return wide(g, x, name, learners, width, hidden)
    gate_up = g.weight(f"{name}.gate.up", lambda: normal(f"{name}.gate.up", width, sizes["gate"]))
    gate_down = g.weight(f"{name}.gate.down", lambda: normal(f"{name}.gate.down", sizes["gate"], learners + 1))
    logits = g("MatMul", g("Gelu", g("MatMul", x, gate_up)), gate_down)
    k = g("ArgMax", g("Add", logits, g("Gather", "gate_bias", at, axis=0)), axis=-1, keepdims=1)
    active = g("Less", np.arange(learners), k)
    if form == "masked":
        mask, total = g("Cast", active, to=FLOAT), None
        for i in range(learners):
            term = g("Mul", learner(g, x, name, i, width, hidden), g("Gather", mask, [i], axis=1))
            total = term if total is None else g("Add", total, term)
        return total
    total = g.weight(f"zeros.{rows}.{width}", lambda: np.zeros((rows, width), np.float32))
    for i in range(learners):
        index = g("Squeeze", g("NonZero", g("Gather", active, i, axis=1)), [0])
        term = learner(g, g("Gather", x, index, axis=0), name, i, width, hidden)
        column = g("Unsqueeze", index, [1])
        if form == "gather":
            total = g("ScatterND", total, column, term, reduction="add")
        else:  # as index_add is exported
            total = g("ScatterElements", total, g("Expand", column, g("Shape", term)), term, axis=0, reduction="add")
    return total


def add_module_loads(made, sizes, rows, width, hiddens, around):
    """Loads of a stack of modules with these hidden widths: k is binomial for each row and module."""
    learners, hiddens = sizes["learners"], np.array(hiddens)
    x = normal("x", rows, width, scale=1.0)
    gates = len(hiddens) * 2 * rows * (width * sizes["gate"] + sizes["gate"] * (learners + 1))
    for percent in sizes["loads"]:
        k = np.random.default_rng(percent).binomial(learners, percent / 100, (len(hiddens), rows))
        bias = np.zeros((len(hiddens), rows, learners + 1), np.float32)
        np.put_along_axis(bias, k[..., None], 50.0, -1)
        active = int((k.sum(1) * hiddens).sum())
        part = active / (rows * learners * hiddens.sum())
        made.feed(str(percent), active * 4 * width + gates + around, part, {"x": x, "gate_bias": bias})
    made.dense_flops = rows * learners * 4 * width * int(hiddens.sum()) + around


MODULE_FORMS = ["dense", "masked", "gather", "gather_se"]


def acm_mlp(folder, sizes):
    """The perceptron of a vision transformer's layer as one module."""
    rows, width, learners = sizes["rows"], sizes["width"], sizes["learners"]
    hidden, weights = sizes["hidden"] // learners, WeightsFile(folder)
    made = Family(folder, MODULE_FORMS)
    for form in made.forms:
        g = Builder(weights)
        g("Identity", module(g, "x", "mlp", form, rows, width, hidden, sizes, 0), outputs="y")
        bias = {"gate_bias": (FLOAT, [1, rows, learners + 1])} if form != "dense" else {}
        g.save(made.file(form), {"x": (FLOAT, [rows, width]), **bias}, {"y": (FLOAT, [rows, width])})
    weights.close()
    add_module_loads(made, sizes, rows, width, [hidden], 0)
    return made


def acm_vit(folder, sizes):
    """The encoder of a vision transformer in which the perceptron and the four projections of each layer are modules."""
    rows, width, heads, layers = sizes["rows"], sizes["width"], sizes["heads"], sizes["layers"]
    learners, weights = sizes["learners"], WeightsFile(folder)
    # A projection's learners have together the FLOPs of the projection that they stand for.
    projection, hidden = width // 2 // learners, sizes["hidden"] // learners
    made = Family(folder, MODULE_FORMS)
    for form in made.forms:
        g, x, numbers = Builder(weights), "x", iter(range(5 * layers))
        part = lambda value, name, inner, form=form, g=g, numbers=numbers: module(
            g, value, name, form, rows, width, inner, sizes, next(numbers)
        )
        for i in range(layers):
            n = layer_norm(g, x, f"{i}.ln1", width)
            q, k, v = (part(n, f"{i}.{p}", projection) for p in "qkv")
            x = g("Add", x, part(attention(g, q, k, v, rows, rows, heads, width), f"{i}.o", projection))
            x = g("Add", x, part(layer_norm(g, x, f"{i}.ln2", width), f"{i}.mlp", hidden))
        g("Identity", layer_norm(g, x, "ln", width), outputs="y")
        bias = {"gate_bias": (FLOAT, [5 * layers, rows, learners + 1])} if form != "dense" else {}
        g.save(made.file(form), {"x": (FLOAT, [rows, width]), **bias}, {"y": (FLOAT, [rows, width])})
    weights.close()
    add_module_loads(made, sizes, rows, width, ([projection] * 4 + [hidden]) * layers, layers * 4 * rows * rows * width)
    return made
