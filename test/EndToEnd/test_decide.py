"""Stop rules over scores (`ac.decide`) against the formula in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from programs import builder, seeded, softmax

ELEMENTS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
CLASSES = 5


@pytest.fixture(scope="module")
def build(accordion, tmp_path_factory):
    return builder(accordion, tmp_path_factory.mktemp("programs"))


def stops(rule, scores, previous, threshold, strict):
    """For each row whether it stops."""
    scores, previous = scores.astype(np.float64), previous.astype(np.float64)
    threshold = np.float64(threshold)
    rows = scores.shape[:-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        if rule == "value":
            large, small = scores[..., 0], threshold
        elif rule == "confidence":
            large, small = scores.max(axis=-1), threshold
        elif rule == "margin":
            ordered = np.sort(scores, axis=-1)  # NaN last
            large, small = ordered[..., -1] - ordered[..., -2], threshold
        elif rule == "entropy":
            large, small = threshold, -np.where(scores == 0, 0, scores * np.log(scores)).sum(axis=-1)
        else:
            length = lambda v: np.sqrt((v * v).sum(axis=-1))
            large, small = threshold * length(previous), length(scores - previous)
        return np.broadcast_to(small < large if strict else small <= large, rows)


@pytest.fixture(scope="module")
def decide(build):
    built = {}

    def decide(rule, element):
        if (rule, element) in built:
            return built[rule, element]
        width = 1 if rule == "value" else CLASSES
        scores = f"tensor<?x?x{width}x{element}>"
        inputs = [("x", scores), ("p", scores), ("t", f"tensor<{element}>")]
        lines, outputs = [], []
        for granularity, shape in (("row", "?x?x1"), ("sample", "?x1x1"), ("batch", "1x1x1")):
            for strict in ("", "strict"):
                name, other = granularity + strict, rule == "change"
                lines.append(
                    f"%{name} = ac.decide {rule} of %x {'from %p' if other else ''} {strict} against %t per {granularity} : "
                    f"{scores} {f'from {scores}' if other else ''}, tensor<{element}> -> tensor<{shape}xi1>"
                )
                outputs.append((name, f"tensor<{shape}xi1>"))
        built[rule, element] = build("\n".join(lines), inputs, outputs)
        return built[rule, element]

    return decide


def check_decision(run, rule, x, p, t):
    got = run(x=x, p=p, t=t)
    for strict in (False, True):
        row = stops(rule, x, p, t, strict)
        suffix = "strict" if strict else ""
        want = {
            "row" + suffix: row[..., None],
            "sample" + suffix: row.all(axis=1)[:, None, None],
            "batch" + suffix: row.all()[None, None, None],
        }
        for name, value in want.items():
            assert got[name].dtype == bool and got[name].shape == value.shape, name
            assert np.array_equal(got[name], value), (rule, name, t)


def scores_of(rule, element, shape):
    rng = seeded(rule, element, shape)
    x = rng.standard_normal((*shape, 1 if rule == "value" else CLASSES))
    if rule in ("confidence", "margin", "entropy"):
        x = softmax(2 * x)
    p = x + 0.3 * rng.standard_normal(x.shape)
    return x.astype(ELEMENTS[element]), p.astype(ELEMENTS[element])


RULES = ["value", "confidence", "margin", "entropy", "change"]
NEVER = {"value": 100, "confidence": 2, "margin": 2, "entropy": -1, "change": -1}
ALWAYS = {"value": -100, "confidence": 0, "margin": -1, "entropy": 9, "change": 1e4}
MIXED = {"value": 0, "confidence": 0.55, "margin": 0.3, "entropy": 1.0, "change": 0.6}


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("rule", RULES)
def test_decide(decide, rule, element):
    """All rows, none, some; one row; no row; no sample; both NaN and infinity among scores and as the threshold."""
    run, kind = decide(rule, element), ELEMENTS[element]
    for shape in ((3, 4), (1, 1), (2, 0), (0, 3), (1, 7)):
        x, p = scores_of(rule, element, shape)
        for thresholds in (NEVER, ALWAYS, MIXED):
            check_decision(run, rule, x, p, kind(thresholds[rule]))
        check_decision(run, rule, x, p, kind(np.nan))
    x, p = scores_of(rule, element, (3, 4))
    x[1, 2, 0] = np.nan
    for thresholds in (NEVER, ALWAYS, MIXED):
        check_decision(run, rule, x, p, kind(thresholds[rule]))
    if rule in ("value", "confidence", "margin"):
        x[0, 0, 0], x[2, 3, -1] = np.inf, -np.inf
        for threshold in (np.inf, -np.inf, 0.5):
            check_decision(run, rule, x, p, kind(threshold))


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("rule", RULES)
def test_decide_at_the_threshold(decide, rule, element):
    """Equality stops unless it is strict; one bit beside it is no equality."""
    run, kind = decide(rule, element), ELEMENTS[element]
    x, p = scores_of(rule, element, (3, 4))
    if rule == "value":
        exact = x[1, 1, 0]
    elif rule == "confidence":
        exact = x[1, 1].max()
    elif rule == "margin":
        x[1, 1] = [0.75, 0.25, 0, 0, 0]
        exact = kind(0.5)
    elif rule == "entropy":
        x[:] = np.eye(CLASSES)[2]
        exact = kind(0)
    else:
        p[:] = [3, 4, 0, 0, 0]
        x[:] = [3, 1.5, 0, 0, 0]
        exact = kind(0.5)
    for threshold in (exact, np.nextafter(exact, kind(-9)), np.nextafter(exact, kind(9))):
        check_decision(run, rule, x, p, threshold)


def test_decide_ties_and_fixed_points(decide):
    """A tie has no margin; a state of zeros that stays is fixed."""
    x = np.full((1, 2, CLASSES), 0.25, np.float32)
    check_decision(decide("margin", "f32"), "margin", x, x, np.float32(0))
    zeros = np.zeros((2, 2, CLASSES), np.float32)
    check_decision(decide("change", "f32"), "change", zeros, zeros, np.float32(0.1))
    check_decision(decide("change", "f32"), "change", x, zeros[:1], np.float32(0.1))


def test_margin_of_one_class(build):
    """A score without a rival stops whatever the margin asks for."""
    kind = "tensor<?x1xf32>"
    body = f"%stop = ac.decide margin of %x against %t per row : {kind}, tensor<f32> -> tensor<?x1xi1>"
    run = build(body, [("x", kind), ("t", "tensor<f32>")], [("stop", "tensor<?x1xi1>")])
    got = run(x=np.array([[0.5], [np.nan]], np.float32), t=np.float32(1e9))["stop"]
    assert got.tolist() == [[True], [False]]
