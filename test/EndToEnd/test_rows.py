"""Chains and reductions of rows, which are vectors whose last one is seldom full.

pytest test/EndToEnd/test_rows.py --build build/release
"""

from __future__ import annotations

import numpy as np
import pytest
from real_models.graph import FLOAT, Graph
from test_grouped_products import flags

TARGETS = {"x86-64-v3": {"avx2"}, "x86-64-v4": {"avx512f"}}
WIDTHS = [1, 2, 15, 16, 17, 33, 63, 64, 65, 128, 197, 1000]
ROWS = 9  # more than are done without a chain


@pytest.fixture(params=TARGETS)
def march(request):
    if missing := TARGETS[request.param] - flags():
        pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
    return request.param


def softmax(x):
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)


def log_softmax(x):
    with np.errstate(invalid="ignore"):
        rest = x - x.max(-1, keepdims=True)
        return rest - np.log(np.exp(rest).sum(-1, keepdims=True))


OPERATORS = {
    "Softmax": (softmax, {"axis": -1}),
    "LogSoftmax": (log_softmax, {"axis": -1}),
    "ReduceMax": (lambda x: x.max(-1, keepdims=True), {"axes": [-1]}),
    "ReduceMin": (lambda x: x.min(-1, keepdims=True), {"axes": [-1]}),
    "ReduceSum": (lambda x: x.sum(-1, keepdims=True), {}),
    "ReduceL2": (lambda x: np.sqrt((x * x).sum(-1, keepdims=True)), {"axes": [-1]}),
    "ReduceLogSumExp": (lambda x: np.log(np.exp(x).sum(-1, keepdims=True)), {"axes": [-1]}),
    "LayerNormalization": (
        lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5),
        {"axis": -1},
    ),
}


def model(name, width):
    g = Graph()
    more = [np.array([-1], np.int64)] if name == "ReduceSum" else []
    if name == "LayerNormalization":
        more = [np.ones(width, np.float32)]
    g(name, "x", *more, outputs="y", **OPERATORS[name][1])
    dims = ["n", width if name == "LayerNormalization" else "w"]
    return g.model("rows", {"x": (FLOAT, dims)}, {"y": (FLOAT, [None, None])}, 17, 8)


@pytest.mark.parametrize("name", OPERATORS)
def test_widths(name, accordion, march):
    formula, _ = OPERATORS[name]
    is_fixed = name == "LayerNormalization"
    session = None if is_fixed else accordion.compile(model(name, 0), threads=1, march=march)
    rng = np.random.default_rng(7)
    for width in WIDTHS:
        if is_fixed:
            session = accordion.compile(model(name, width), threads=1, march=march)
        for rows in (1, ROWS):
            x = rng.uniform(-6, 6, (rows, width)).astype(np.float32)
            (y,) = session.run(None, {"x": x})
            expected = formula(x.astype(np.float64))
            assert y.shape == expected.shape
            assert np.allclose(y, expected, rtol=2e-6, atol=2e-6 * np.abs(expected).max()), (width, rows)


@pytest.mark.parametrize("width", [5, 16, 197])
def test_fixed_widths(width, accordion, march):
    x = np.random.default_rng(8).uniform(-90, 90, (ROWS, width)).astype(np.float32)
    for name in ("Softmax", "LogSoftmax"):
        g = Graph()
        g(name, "x", outputs="y", axis=-1)
        fixed = g.model("rows", {"x": (FLOAT, [ROWS, width])}, {"y": (FLOAT, [ROWS, width])}, 17, 8)
        (y,) = accordion.compile(fixed, threads=1, march=march).run(None, {"x": x})
        assert np.allclose(y, OPERATORS[name][0](x.astype(np.float64)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_not_finite(name, accordion, march):
    """NaN anywhere in a row makes all of it NaN, and so do rows of -inf; a single -inf is a probability of zero."""
    session = accordion.compile(model(name, 0), threads=1, march=march)
    for place in (0, 40, 196):
        x = np.random.default_rng(place).uniform(-3, 3, (ROWS, 197)).astype(np.float32)
        x[1, place] = np.nan
        x[2] = -np.inf
        x[3, place] = -np.inf
        x[4, place] = np.inf
        (y,) = session.run(None, {"x": x})
        assert np.isnan(y[1]).all() and np.isnan(y[2]).all() and np.isnan(y[4, place])
        others = [0, 3, *range(5, ROWS)]
        with np.errstate(divide="ignore"):
            expected = OPERATORS[name][0](x[others].astype(np.float64))
        assert np.allclose(y[others], expected, rtol=2e-6, atol=1e-6)
        assert y[3, place] == (0 if name == "Softmax" else -np.inf)


def test_small_probabilities(accordion, march):
    """Those below the normal numbers are there, and to within what the difference to the largest element says."""
    x = np.linspace(-104, 0, 197, dtype=np.float32)[None].repeat(ROWS, 0)
    (y,) = accordion.compile(model("Softmax", 0), threads=1, march=march).run(None, {"x": x})
    expected = softmax(x.astype(np.float64))
    assert np.allclose(y, expected, rtol=7e-7, atol=3e-45) and (y[:, 6] > 0).all()
