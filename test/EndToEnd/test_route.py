"""Routing rules over scores (`ac.route`) against the formula in numpy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from programs import builder, seeded, softmax


@pytest.fixture(scope="module")
def build(accordion, tmp_path_factory):
    return builder(accordion, tmp_path_factory.mktemp("programs"))


EXPERTS = 6
KINDS = ["scores", "softmax", "normalized", "sigmoid", "one"]
# Variants of each rule: bias, capacity, last_wins.
VARIANTS = {"plain": (False, 0, False), "biased": (True, 0, False), "capped": (False, 2, False), "last": (False, 0, True)}
ROUTES = {"top_k": "i64", "top_p": None, "expert_choice": "i64", "relu": "", "threshold": None}


def choose(rule, scores, limit, bias, last_wins):
    """[rows, experts]: whether a row chose an expert."""
    c = np.where(np.isnan(scores), -np.inf, scores.astype(np.float64)) + bias
    rows, experts = c.shape

    def first(values, count):
        """The `count` largest, in order."""
        order = sorted(range(len(values)), key=lambda i: (-values[i], -i if last_wins else i))
        return order[: max(0, int(count))]

    chosen = np.zeros(c.shape, bool)
    if rule == "top_k":
        for r in range(rows):
            chosen[r, first(c[r], limit)] = True
    elif rule == "expert_choice":
        for e in range(experts):
            chosen[first(c[:, e], limit), e] = True
    elif rule == "top_p":
        share = softmax(c)
        for r in range(rows):
            mass = 0.0
            for e in first(c[r], experts):
                if not mass < limit:
                    break
                chosen[r, e] = True
                mass += share[r, e]
    else:
        chosen = c > 0 if rule == "relu" else c >= limit
    return chosen & (c > -np.inf)


def weigh(kind, scores, chosen, capacity):
    s = np.where(np.isnan(scores), -np.inf, scores.astype(np.float64))
    with np.errstate(over="ignore"):
        if kind == "scores":
            w = s
        elif kind == "softmax":
            w = softmax(s)
        elif kind == "normalized":
            w = softmax(np.where(chosen, s, -np.inf))
        elif kind == "sigmoid":
            w = 1 / (1 + np.exp(-s))
        else:
            w = np.ones_like(s)
    if capacity:
        chosen = chosen & (np.cumsum(chosen, axis=0) <= capacity)
    return np.where(chosen, w, 0)


@pytest.fixture(scope="module")
def route(build):
    built = {}

    def route(rule, element="f32"):
        if (rule, element) in built:
            return built[rule, element]
        scores, has_limit = f"tensor<?x{EXPERTS}x{element}>", ROUTES[rule] != ""
        limit, bias = f"tensor<{ROUTES[rule] or element}>", f"tensor<{EXPERTS}x{element}>"
        lines, outputs = [], []
        for kind, (variant, (biased, capacity, last)) in itertools.product(KINDS, VARIANTS.items()):
            name = f"{kind}_{variant}"
            lines.append(
                f"%{name} = ac.route {rule} of %s {'limit %l' if has_limit else ''} {'bias %b' if biased else ''} "
                f"weights {kind} {f'capacity {capacity}' if capacity else ''} {'last_wins' if last else ''} : {scores} "
                f"{f', {limit}' if has_limit else ''} {f'bias {bias}' if biased else ''} -> {scores}"
            )
            outputs.append((name, scores))
        inputs = [("s", scores), ("l", limit), ("b", bias)]
        built[rule, element] = build("\n".join(lines), inputs, outputs)
        return built[rule, element]

    return route


LIMITS = {
    "top_k": [0, 1, 3, EXPERTS, 99, -4],
    "expert_choice": [0, 1, 3, 99, -1],
    "top_p": [0.0, 0.37, 0.83, 2.0, np.nan],
    "threshold": [-0.31, 0.73, -np.inf, np.nan],
    "relu": [0],
}


def check_route(run, rule, scores, limit, bias, tolerance=2e-6):
    limit_type = np.int64 if ROUTES[rule] == "i64" else scores.dtype.type
    got = run(s=scores, l=limit_type(limit), b=bias)
    for kind, (variant, (biased, capacity, last)) in itertools.product(KINDS, VARIANTS.items()):
        chosen = choose(rule, scores, limit, bias.astype(np.float64) if biased else 0.0, last)
        want, have = weigh(kind, scores, chosen, capacity), got[f"{kind}_{variant}"]
        assert have.dtype == scores.dtype and have.shape == want.shape
        assert np.array_equal(have != 0, want.astype(scores.dtype) != 0), (rule, limit, kind, variant)
        assert np.allclose(have, want, rtol=tolerance, atol=1e-7), (rule, limit, kind, variant)


@pytest.mark.parametrize("rule", ROUTES)
def test_route(route, rule):
    """Limits from none to more than there are; many rows, one, none."""
    run, rng = route(rule), seeded(rule)
    bias = rng.standard_normal(EXPERTS).astype(np.float32)
    for rows in (9, 1, 0, 33):
        scores = rng.standard_normal((rows, EXPERTS)).astype(np.float32)
        for limit in LIMITS[rule]:
            check_route(run, rule, scores, limit, bias)


@pytest.mark.parametrize("rule", ROUTES)
def test_route_ties_nan_and_infinities(route, rule):
    """Ties within and between rows, signed zeros among them; NaN is chosen as little as minus infinity; far-off scores."""
    run = route(rule)
    bias = np.array([0, 0, 1, 0, -np.inf, 0.5], np.float32)
    scores = np.array(
        [
            [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
            [0.0, -0.0, 1.0, 1.0, -1.0, 1.0],
            [np.nan, 0.5, -np.inf, 0.25, np.nan, 0.5],
            [-np.inf] * EXPERTS,
            [np.nan] * EXPERTS,
            [300.0, -300.0, 299.0, 0.5, 0.0, 300.0],
            [-1000.0, -1001.0, -1000.0, -1002.0, -1003.0, -1000.0],
        ],
        np.float32,
    )
    for limit in LIMITS[rule]:
        check_route(run, rule, scores, limit, bias)


@pytest.mark.parametrize("rule", ROUTES)
def test_route_of_half_precision(route, rule):
    """Scores keep their bits; the rest is computed in single precision."""
    rng = seeded(rule, "half")
    bias = rng.standard_normal(EXPERTS).astype(np.float16)
    scores = rng.standard_normal((7, EXPERTS)).astype(np.float16)
    scores[2, 3] = np.nan
    for limit in LIMITS[rule]:
        check_route(route(rule, "f16"), rule, scores, limit, bias, tolerance=1e-3)


@pytest.mark.parametrize("rule", ["top_k", "top_p", "relu", "threshold"])
def test_route_of_a_row_depends_on_it_alone(route, rule):
    """Permuted and left alone, a row has the same weights to the bit (but for a capacity, which counts rows)."""
    run, rng = route(rule), seeded(rule, "mates")
    scores, bias = rng.standard_normal((23, EXPERTS)).astype(np.float32), np.zeros(EXPERTS, np.float32)
    limit = (np.int64 if ROUTES[rule] == "i64" else np.float32)(LIMITS[rule][len(LIMITS[rule]) > 1])
    whole, order = run(s=scores, l=limit, b=bias), rng.permutation(23)
    shuffled = run(s=scores[order], l=limit, b=bias)
    alone = [run(s=scores[r : r + 1], l=limit, b=bias) for r in range(23)]
    for name in whole:
        if name.endswith("capped"):
            continue
        assert whole[name][order].tobytes() == shuffled[name].tobytes(), name
        assert whole[name].tobytes() == b"".join(each[name].tobytes() for each in alone), name


def test_route_by_experts_of_many_rows(build):
    """Expert choice of double-precision scores with a dynamic number of experts, in two leading dimensions."""
    kind = "tensor<?x?x?xf64>"
    body = f"%w = ac.route expert_choice of %s limit %k weights one : {kind}, tensor<1xi64> -> {kind}"
    run = build(body, [("s", kind), ("k", "tensor<1xi64>")], [("w", kind)])
    scores = np.round(seeded("many").standard_normal((4, 50, 3)), 1)
    for k in (0, 7, 200):
        got = run(s=scores, k=np.array([k]))["w"]
        want = choose("expert_choice", scores.reshape(200, 3), k, 0.0, False).reshape(scores.shape)
        assert np.array_equal(got, want.astype(np.float64))
