"""LSTM, GRU and RNN against their formulas, in double precision: hidden sizes that are whole pieces of sixteen units and
others, batches from one row to more than a tile has, lengths, peepholes, both directions, one thread and two.

pytest test/EndToEnd/test_recurrent.py --build build/release
"""

from __future__ import annotations

import numpy as np
import pytest
from real_models.graph import FLOAT, Graph

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
INPUTS, STEPS = 7, 9


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(kind, x, h, c, w, r, b, p, reset_first):
    """A step of one direction: the new h and c."""
    own, recurrent = np.split(b, 2)
    size = h.shape[1]
    a = x @ w.T + own
    if kind == "RNN":
        return np.tanh(a + h @ r.T + recurrent), c
    if kind == "LSTM":
        i, o, f, g = np.split(a + h @ r.T + recurrent, 4, axis=1)
        pi, po, pf = np.split(p, 3)
        c_new = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * np.tanh(g)
        return sigmoid(o + po * c_new) * np.tanh(c_new), c_new
    z, s = np.split(sigmoid(a[:, : 2 * size] + h @ r[: 2 * size].T + recurrent[: 2 * size]), 2, axis=1)
    rest, last = r[2 * size :], recurrent[2 * size :]
    inner = (s * h) @ rest.T + last if reset_first else s * (h @ rest.T + last)
    return (1 - z) * np.tanh(a[:, 2 * size :] + inner) + z * h, c


def reference(kind, x, w, r, b, p, lengths, reset_first):
    """Y, [steps, directions, batch, H], and the last h and c of each direction."""
    steps, batch, _ = x.shape
    directions, _, size = r.shape
    y = np.zeros((steps, directions, batch, size))
    finals = []
    for d in range(directions):
        h, c = np.zeros((batch, size)), np.zeros((batch, size))
        for t in range(steps) if d == 0 else reversed(range(steps)):
            now, c_now = cell(kind, x[t], h, c, w[d], r[d], b[d], p[d], reset_first)
            active = (t < lengths)[:, None]
            y[t, d] = np.where(active, now, 0)
            h, c = np.where(active, now, h), np.where(active, c_now, c)
        finals.append((h, c))
    return y, np.stack([h for h, _ in finals]), np.stack([c for _, c in finals])


def make(kind, size, directions, with_lengths, with_peepholes, reset_first):
    """The model, and a function from x and lengths to what it should give."""
    rng = np.random.default_rng(size + directions)
    rows = GATES[kind] * size
    w = rng.normal(0, 0.5, (directions, rows, INPUTS))
    r = rng.normal(0, 0.8 / np.sqrt(size), (directions, rows, size))
    b = rng.normal(0, 0.3, (directions, 2 * rows))
    p = rng.normal(0, 0.3, (directions, 3 * size)) * with_peepholes
    w, r, b, p = (part.astype(np.float32) for part in (w, r, b, p))
    g = Graph()
    attributes = {"hidden_size": size, "direction": "forward" if directions == 1 else "bidirectional"}
    if kind == "GRU":
        attributes["linear_before_reset"] = int(not reset_first)
    operands = ["x", w, r, b, "lengths" if with_lengths else ""]
    if with_peepholes:
        operands += ["", "", p]
    outputs = ["y", "h", "c"] if kind == "LSTM" else ["y", "h"]
    g(kind, *operands, outputs=outputs, **attributes)
    inputs = {"x": (FLOAT, ["steps", "batch", INPUTS])}
    if with_lengths:
        inputs["lengths"] = (6, ["batch"])
    model = g.model("recurrent", inputs, {name: (FLOAT, [None] * (4 if name == "y" else 3)) for name in outputs}, 17, 8)

    def expected(x, lengths):
        wide = [part.astype(np.float64) for part in (x, w, r, b, p)]
        return reference(kind, *wide, lengths, reset_first)[: len(outputs)]

    return model, expected


def check(accordion, threads, batches=(1, 2, 5, 6, 13), **form):
    model, expected = make(**form)
    session = accordion.compile(model, threads=threads)
    rng = np.random.default_rng(3)
    for batch in batches:
        x = rng.normal(0, 1, (STEPS, batch, INPUTS)).astype(np.float32)
        lengths = rng.integers(0, STEPS + 1, batch) if form["with_lengths"] else np.full(batch, STEPS)
        feeds = {"x": x, "lengths": lengths.astype(np.int32)} if form["with_lengths"] else {"x": x}
        for got, wanted in zip(session.run(None, feeds), expected(x, lengths), strict=True):
            assert got.shape == wanted.shape
            assert np.abs(got - wanted).max() < 5e-6, (batch, form)


# 5: no whole piece; 16: one; 48: three; 256: as many as two threads share.
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [5, 16, 48, 256])
@pytest.mark.parametrize("kind", GATES)
def test_sizes(kind, size, threads, accordion):
    form = {"directions": 1, "with_lengths": False, "with_peepholes": False, "reset_first": False}
    check(accordion, threads, kind=kind, size=size, **form)


@pytest.mark.parametrize("size", [5, 32])
@pytest.mark.parametrize("kind", GATES)
def test_lengths_and_directions(kind, size, accordion):
    form = {"directions": 2, "with_lengths": True, "with_peepholes": False, "reset_first": True}
    check(accordion, 2, kind=kind, size=size, **form)


@pytest.mark.parametrize("size", [5, 32])
def test_peepholes(size, accordion):
    form = {"directions": 2, "with_lengths": True, "with_peepholes": True, "reset_first": False}
    check(accordion, 1, kind="LSTM", size=size, **form)


@pytest.mark.parametrize("size", [5, 32, 256])
def test_reset_first(size, accordion):
    form = {"directions": 1, "with_lengths": False, "with_peepholes": False, "reset_first": True}
    check(accordion, 2, kind="GRU", size=size, **form)


def test_many_rows(accordion):
    """More rows than a task has, so that a piece of columns is computed by several."""
    form = {"directions": 1, "with_lengths": True, "with_peepholes": False, "reset_first": False}
    check(accordion, 2, batches=(197,), kind="LSTM", size=64, **form)
