"""`--precision=bf16`: products with constant matrices round what they multiply, and nothing else changes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from programs import seeded
from real_models.graph import FLOAT, Graph

ROWS = [0, 1, 5, 16, 97]


def rounded(x):
    return x.astype(ml_dtypes.bfloat16).astype(np.float64)


@pytest.fixture(scope="module")
def perceptron():
    """Two products with a bias and a ReLU between, and a product of two inputs that stays in f32."""
    rng, g = seeded("precision"), Graph()
    w, v, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((96, 130), (130, 40), (130,)))
    h = g("Relu", g("Add", g("MatMul", "x", w), bias))
    g("MatMul", h, v, outputs="y")
    g("MatMul", "x", "z", outputs="s")
    shapes = {"x": (FLOAT, ["m", 96]), "z": (FLOAT, [96, "n"])}
    model = g.model("perceptron", shapes, {"y": (FLOAT, ["m", 40]), "s": (FLOAT, ["m", "n"])}, opset=21, ir=10)
    return model, w, v, bias


@pytest.mark.parametrize("march", ["native", "x86-64-v3"])
def test_rounds_what_products_multiply(perceptron, march, accordion):
    model, w, v, bias = perceptron
    session = accordion.compile(model, threads=2, march=march, precision="bf16")
    z = seeded("z").standard_normal((96, 24)).astype(np.float32)
    for count in ROWS:
        x = seeded("x", count).standard_normal((count, 96)).astype(np.float32)
        y, s = session.run(None, {"x": x, "z": z})
        h = np.maximum(rounded(x) @ rounded(w) + bias, 0)
        # A hidden number next to the middle of two bf16 may be rounded either way: one step of 2^-8 of one term.
        bound = 1e-5 * (rounded(h) @ np.abs(rounded(v))).max(initial=1) + 2**-8 * np.abs(h).max(initial=0) * np.abs(v).max()
        assert np.abs(y - rounded(h) @ rounded(v)).max(initial=0) <= bound
        exact = x.astype(np.float64) @ z
        assert np.abs(s - exact).max(initial=0) <= 1e-5 * np.abs(exact).max(initial=1)


def test_is_not_the_answer_of_f32(perceptron, accordion):
    model, *_ = perceptron
    x = seeded("x").standard_normal((16, 96)).astype(np.float32)
    z = np.zeros((96, 1), np.float32)
    exact, coarse = (
        accordion.compile(model, precision=precision).run(None, {"x": x, "z": z})[0] for precision in ("f32", "bf16")
    )
    error = np.abs(coarse - exact).max() / np.abs(exact).max()
    assert 1e-5 < error < 2e-2


def test_refuses_unknown_precisions(perceptron, accordion):
    with pytest.raises(ValueError, match="precision='f8', expected 'f32' or 'bf16'"):
        accordion.compile(perceptron[0], precision="f8")
