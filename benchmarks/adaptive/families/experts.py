"""Experts: a router chooses k of them for each row."""

from __future__ import annotations

import numpy as np

from .builder import (
    FLOAT,
    Builder,
    WeightsFile,
    layer_norm,
    linear,
    normal,
    perceptron,
    seeded,
    self_attention,
    self_attention_flops,
)
from .family import Family


def all_experts(g, x, name, sizes):
    """The dense form: every expert with the same weight."""
    total = None
    for e in range(sizes["experts"]):
        term = perceptron(g, x, f"{name}.expert{e}", sizes["width"], sizes["hidden"])
        total = term if total is None else g("Add", total, term)
    return g("Mul", total, 1.0 / sizes["experts"])


def masked(g, x, logits, name, k, rows, sizes):
    """Every expert for every row, times its weight, which is zero where the row did not choose it."""
    best, index = g("TopK", logits, [k], outputs=2, axis=-1)
    zeros = g.weight(f"zeros.{rows}.{sizes['experts']}", lambda: np.zeros((rows, sizes["experts"]), np.float32))
    shares, total = g("ScatterElements", zeros, index, g("Softmax", best, axis=-1), axis=1), None
    for e in range(sizes["experts"]):
        answer = perceptron(g, x, f"{name}.expert{e}", sizes["width"], sizes["hidden"])
        term = g("Mul", answer, g("Gather", shares, [e], axis=1))
        total = term if total is None else g("Add", total, term)
    return total


def gather(g, x, logits, name, k, rows, sizes):
    """Each expert takes the rows that chose it and adds what it makes of them where they stood."""
    best, index = g("TopK", logits, [k], outputs=2, axis=-1)
    share = g("Softmax", best, axis=-1)
    chosen = g("Transpose", g("OneHot", index, sizes["experts"], np.array([0, 1]), axis=-1), perm=[2, 1, 0])
    total = g.weight(f"zeros.{rows}.{sizes['width']}", lambda: np.zeros((rows, sizes["width"]), np.float32))
    for e in range(sizes["experts"]):
        at = g("NonZero", g("Gather", chosen, e, axis=0))
        slot, row = (g("Gather", at, i, axis=0) for i in range(2))
        column = g("Unsqueeze", row, [1])
        answer = perceptron(g, g("Gather", x, row, axis=0), f"{name}.expert{e}", sizes["width"], sizes["hidden"])
        weight = g("GatherND", share, g("Concat", column, g("Unsqueeze", slot, [1]), axis=1))
        total = g("ScatterND", total, column, g("Mul", answer, g("Unsqueeze", weight, [1])), reduction="add")
    return total


def moe_op(g, x, logits, name, k, rows, sizes):
    """The contrib operator, whose matrices are the experts' on top of each other, transposed."""
    width, hidden = sizes["width"], sizes["hidden"]

    def stacked(part, *shape, transpose=False, **scale):
        def make():
            arrays = [normal(f"{name}.expert{e}.{part}", *shape, **scale) for e in range(sizes["experts"])]
            return np.stack([a.T if transpose else a for a in arrays])

        return g.weight(f"{name}.experts.{part}", make)

    up, down = stacked("up.w", width, hidden, transpose=True), stacked("down.w", hidden, width, transpose=True)
    up_bias, down_bias = stacked("up.b", hidden, scale=0.02), stacked("down.b", width, scale=0.02)
    attributes = {"k": k, "activation_type": "gelu", "normalize_routing_weights": 1, "domain": "com.microsoft"}
    return g("MoE", x, logits, up, up_bias, down, down_bias, **attributes)


FORMS = {"masked": masked, "gather": gather, "moe_op": moe_op}


def moe(folder, sizes):
    """A transformer whose perceptrons are experts; the load is k of the experts, chosen evenly or (skew) always the same."""
    rows, width, heads, layers, count = (sizes[s] for s in ("rows", "width", "heads", "layers", "experts"))
    weights, made = WeightsFile(folder), Family(folder, ["dense", *FORMS])

    def write(form, k, path):
        g, x = Builder(weights), "x"
        for i in range(layers):
            x = self_attention(g, x, str(i), rows, width, heads)
            n = layer_norm(g, x, f"{i}.ln2", width)
            if form == "dense":
                x = g("Add", x, all_experts(g, n, str(i), sizes))
                continue
            # The feed decides: what the router makes of the row is small beside it.
            logits = g("Mul", linear(g, n, f"{i}.router", width, count, bias=False), 0.01)
            logits = g("Add", logits, g("Gather", "router_bias", i, axis=0))
            x = g("Add", x, FORMS[form](g, n, logits, str(i), k, rows, sizes))
        g("Identity", layer_norm(g, x, "ln", width), outputs="y")
        bias = {} if form == "dense" else {"router_bias": (FLOAT, [layers, rows, count])}
        g.save(path, {"x": (FLOAT, [rows, width]), **bias}, {"y": (FLOAT, [rows, width])})

    write("dense", 0, made.file("dense"))
    x = normal("x", rows, width, scale=1.0)
    ranks = np.argsort(seeded("routes").random((layers, rows, count)), -1).astype(np.float32)
    around = layers * self_attention_flops(rows, width)
    for percent in sizes["loads"]:
        k, name = max(1, percent * count // 100), str(percent)
        for form in FORMS:
            write(form, k, made.file(form, name))
        flops = around + layers * (k * rows * 4 * width * sizes["hidden"] + 2 * rows * width * count)
        made.feed(name, flops, k / count, {"x": x, "router_bias": ranks}, model=name)
        if name == str(sizes["skewed"]):
            same = np.broadcast_to(np.arange(count, dtype=np.float32), ranks.shape)
            made.feed(f"skew{name}", flops, k / count, {"x": x, "router_bias": same}, model=name)
    weights.close()
    made.dense_flops = around + layers * count * rows * 4 * width * sizes["hidden"]
    return made


def _stack(folder, sizes, forms, bound):
    """Layers of experts alone, steered by logits from outside."""
    rows, width, layers, k = sizes["rows"], sizes["width"], sizes["layers"], sizes["k"]
    weights, made = WeightsFile(folder), Family(folder, forms, bound)
    for form in forms:
        g, x = Builder(weights), "x"
        for i in range(layers):
            logits = g("Gather", "logits", i, axis=0)
            x = g("Add", x, FORMS[form](g, layer_norm(g, x, f"{i}.ln", width), logits, str(i), k, rows, sizes))
        g("Identity", x, outputs="y")
        inputs = {"x": (FLOAT, [rows, width]), "logits": (FLOAT, [layers, rows, sizes["experts"]])}
        g.save(made.file(form), inputs, {"y": (FLOAT, [rows, width])})
    weights.close()
    return made


def moe_prefill(folder, sizes):
    """Many tokens at once, which the machine's multiply-adds bound."""
    made = _stack(folder, sizes, ["moe_op", "gather"], "peak")
    rows, layers, count, k = sizes["rows"], sizes["layers"], sizes["experts"], sizes["k"]
    ranks = np.argsort(seeded("prefill").random((layers, rows, count)), -1).astype(np.float32)
    flops = layers * k * rows * 4 * sizes["width"] * sizes["hidden"]
    made.feed(f"{rows} tokens", flops, k / count, {"x": normal("x", rows, sizes["width"], scale=1.0), "logits": ranks})
    return made


def moe_token(folder, sizes):
    """One token at a time, which reading the weights bounds. The feeds choose other experts in turn, until all have been
    read, so that what one run has read is not what the next one needs."""
    made = _stack(folder, sizes, ["moe_op", "gather"], "bandwidth")
    rows, layers, count, k = sizes["rows"], sizes["layers"], sizes["experts"], sizes["k"]
    feeds = []
    for first in range(0, count, k):
        logits = np.zeros((layers, rows, count), np.float32)
        logits[..., first : first + k] = 1
        feeds.append({"x": normal("x", rows, sizes["width"], scale=1.0), "logits": logits})
    matrices = 2 * sizes["width"] * sizes["hidden"]
    flops, size = layers * k * rows * 2 * matrices, layers * k * (matrices + sizes["width"] + sizes["hidden"]) * 4
    made.feed(f"{rows} token", flops, k / count, *feeds, weight_bytes=size)
    return made
