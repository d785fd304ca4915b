"""Iterations that halt, and layers that are left out behind an exit."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .builder import (
    BOOL,
    FLOAT,
    INT64,
    Builder,
    WeightsFile,
    attention,
    layer,
    layer_norm,
    linear,
    normal,
    perceptron,
    self_attention_flops,
)
from .family import Family

# A row halts when its probabilities add up to one less this.
REST = 0.01


def step(g, at, state, gathered, sizes):
    """A step of adaptive computation time: (hidden, halting probability, weighted sum, steps) of each row, before and after.
    A row that has halted keeps its hidden state, which the others go on attending to."""
    rows, width, heads, inner = sizes["rows"], sizes["width"], sizes["heads"], sizes["hidden"]
    hidden, sum_of_p, answer, steps = state
    logits = g("Mul", g("Squeeze", linear(g, hidden, "halt", width, 1), [1]), 0.01)
    p = g("Sigmoid", g("Add", logits, g("Gather", "halt_bias", at, axis=0)))
    runs = g("Less", sum_of_p, 1 - REST)
    running = g("Cast", runs, to=FLOAT)
    reached = g("Add", sum_of_p, g("Mul", p, running))
    halts = g("Mul", g("Cast", g("Greater", reached, 1 - REST), to=FLOAT), running)
    remainder = g("Mul", halts, g("Sub", 1.0, sum_of_p))
    weight = g("Add", g("Mul", p, g("Sub", running, halts)), remainder)
    if gathered:
        index = g("Squeeze", g("NonZero", runs), [0])
        n = layer_norm(g, hidden, "layer.ln1", width)
        k, v = (linear(g, n, f"layer.{part}", width, width) for part in "kv")
        q = linear(g, g("Gather", n, index, axis=0), "layer.q", width, width)
        mixed = attention(g, q, k, v, -1, rows, heads, width)
        x = g("Add", g("Gather", hidden, index, axis=0), linear(g, mixed, "layer.o", width, width))
        x = g("Add", x, perceptron(g, layer_norm(g, x, "layer.ln2", width), "layer.mlp", width, inner))
        after = g("ScatterND", hidden, g("Unsqueeze", index, [1]), x)
    else:
        after = g("Where", g("Unsqueeze", runs, [1]), layer(g, hidden, "layer", rows, width, inner, heads), hidden)
    column = g("Unsqueeze", weight, [1])
    answer = g("Add", g("Mul", after, column), g("Mul", answer, g("Sub", 1.0, column)))
    return after, g("Add", sum_of_p, weight), answer, g("Add", steps, running)


def act(folder, sizes):
    """A universal transformer: one layer again and again, until each row has halted. Loads: rows halt at steps of their
    own, whose mean is the load; `all`: at the same step."""
    rows, width, limit, inner = sizes["rows"], sizes["width"], sizes["steps"], sizes["hidden"]
    weights, made = WeightsFile(folder), Family(folder, ["dense", "loop", "loop_gather", "unrolled"])
    inputs = {"x": (FLOAT, [rows, width])}
    steered = {**inputs, "halt_bias": (FLOAT, [limit, rows])}
    outputs = {"y": (FLOAT, [rows, width]), "steps": (FLOAT, [rows])}

    g, x = Builder(weights), "x"
    for _ in range(limit):
        x = layer(g, x, "layer", rows, width, inner, sizes["heads"])
    g("Identity", x, outputs="y")
    g.save(made.file("dense"), inputs, {"y": outputs["y"]})

    shapes = [[rows, width], [rows], [rows, width], [rows]]
    for form in made.forms[1:]:
        g = Builder(weights)
        zeros = g.weight(f"zeros.{rows}", lambda: np.zeros(rows, np.float32))
        state = "x", zeros, g.weight(f"zeros.{rows}.{width}", lambda: np.zeros((rows, width), np.float32)), zeros
        if form == "unrolled":
            for i in range(limit):
                state = step(g, i, state, False, sizes)
        else:
            b = g.body("step_")
            carried = [f"step_{name}" for name in ("hidden", "sum", "answer", "steps")]
            after = step(b, "step_i", carried, form == "loop_gather", sizes)
            left = b("Cast", b("Less", after[1], 1 - REST), to=TensorProto.INT32)
            more = b("Cast", b("ReduceMax", left, keepdims=0), to=BOOL)
            values = lambda names: [(name, FLOAT, shape) for name, shape in zip(names, shapes)]
            body = b.subgraph("step", [("step_i", INT64, []), ("step_go", BOOL, []), *values(carried)],
                              [(more, BOOL, []), *values(after)])  # fmt: skip
            state = g("Loop", limit, np.array(True), *state, outputs=4, body=body)
            g.kinds += values(state)  # exporters write them, and inference does not find them
        g("Identity", state[2], outputs="y")
        g("Identity", state[3], outputs="steps")
        g.save(made.file(form), steered, outputs)
    weights.close()

    row = 2 * (4 * width * width + 2 * width * inner) + 4 * rows * width
    x = normal("x", rows, width, scale=1.0)

    def add(name, last):
        bias = np.where(np.arange(limit)[:, None] == last - 1, 20.0, -20.0).astype(np.float32)
        made.feed(name, last.sum() * (row + 2 * width), last.mean() / limit, {"x": x, "halt_bias": bias})

    for percent in sizes["loads"]:
        mean = max(1.0, percent / 100 * limit)
        add(str(percent), 1 + np.random.default_rng(percent).binomial(limit - 1, (mean - 1) / (limit - 1), rows))
        if percent < 100:
            add(f"all{percent}", np.full(rows, max(1, percent * limit // 100)))
    made.dense_flops = limit * rows * row
    return made


def early_exit(folder, sizes):
    """A classifier behind each layer decides whether the next is needed: If in If."""
    rows, width, layers, inner = sizes["rows"], sizes["width"], sizes["layers"], sizes["hidden"]
    weights, made = WeightsFile(folder), Family(folder, ["dense", "if_nested"])
    inputs, outputs = {"x": (FLOAT, [rows, width])}, {"y": (FLOAT, [rows, width])}

    g, x = Builder(weights), "x"
    for i in range(layers):
        x = layer(g, x, str(i), rows, width, inner, sizes["heads"])
    g("Identity", x, outputs="y")
    g.save(made.file("dense"), inputs, outputs)

    def rest(g, x, i):
        """Layers from i on."""
        x = layer(g, x, str(i), rows, width, inner, sizes["heads"])
        if i == layers - 1:
            return x
        scores = linear(g, g("ReduceMean", x, [0], keepdims=0), f"{i}.exit", width, sizes["classes"])
        confidence = g("ReduceMax", g("Softmax", scores, axis=-1), keepdims=1)
        sure = g("Greater", g("Add", confidence, g("Gather", "exit_bias", [i], axis=0)), np.ones(1, np.float32))
        parts = []
        for name, make in (("exit", lambda b: b("Identity", x)), ("next", lambda b: rest(b, x, i + 1))):
            b = g.body(f"{name}{i}_")
            parts.append(b.subgraph(f"{name}{i}", [], [(make(b), FLOAT, [rows, width])]))
        return g("If", g("Squeeze", sure, [0]), then_branch=parts[0], else_branch=parts[1])

    g = Builder(weights)
    g("Identity", rest(g, "x", 0), outputs="y")
    g.save(made.file("if_nested"), {**inputs, "exit_bias": (FLOAT, [layers])}, outputs)
    weights.close()

    one = self_attention_flops(rows, width) + rows * 4 * width * inner
    for percent in sizes["loads"]:
        last = max(1, layers * percent // 100)
        bias = np.full(layers, -10.0, np.float32)
        if last < layers:
            bias[last - 1] = 10.0
        made.feed(str(percent), last * one, last / layers, {"x": normal("x", rows, width, scale=1.0), "exit_bias": bias})
    made.dense_flops = layers * one
    return made
