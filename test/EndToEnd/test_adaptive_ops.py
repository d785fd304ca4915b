"""Decisions and the work that hangs on them, operation by operation: small programs against the formula in numpy."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

ELEMENTS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}


def declared(name, kind):
    """The attributes of an argument or result; each dynamic dimension is a size of its own."""
    dims = re.fullmatch(r"tensor<((?:[?\d]+x)*)\w+>", kind)[1].split("x")[:-1]
    return f'{{onnx.name = "{name}", onnx.dims = [{", ".join(size.replace("?", chr(34) * 2) for size in dims)}]}}'


def program(body, inputs, outputs):
    """The text of a module: `inputs` and `outputs` are (name, type), outputs by the name of their value."""
    arguments = ", ".join(f"%{name}: {kind} {declared(name, kind)}" for name, kind in inputs)
    results = ", ".join(f"{kind} {declared(name, kind)}" for name, kind in outputs)
    values = ", ".join(f"%{name}" for name, _ in outputs)
    types = ", ".join(kind for _, kind in outputs)
    return f"""module attributes {{onnx.ir_version = 10 : i64, onnx.opset = {{ai.onnx = 20 : i64}}}} {{
  func.func @main({arguments}) -> ({results}) {{
{body}
    return {values} : {types}
  }}
}}
"""


@pytest.fixture(scope="module")
def build(accordion, tmp_path_factory):
    """Compiles a program; returns a function from feeds to a dictionary of outputs."""
    folder, numbers = tmp_path_factory.mktemp("programs"), itertools.count()

    def build(body, inputs, outputs):
        path = folder / f"{next(numbers)}.mlir"
        path.write_text(program(body, inputs, outputs))
        session = accordion.compile(path, threads=1)
        names = [name for name, _ in outputs]
        return lambda **feeds: dict(zip(names, session.run(None, feeds)))

    return build


def seeded(*key):
    return np.random.default_rng(sum(map(ord, "".join(map(str, key)))))


def softmax(x):
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)


# --------------------------------------------------------------------------------------------------- ac.decide

CLASSES = 5


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


# ---------------------------------------------------------------------------------------------------- ac.route

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
                f"%{name} = ac.route {rule} of %s {'limit %l' if has_limit else ''} {'bias %b' if biased else ''} weights {kind} "
                f"{f'capacity {capacity}' if capacity else ''} {'last_wins' if last else ''} : {scores} "
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


# ------------------------------------------------------------------------------------------ ac.exit and ac.skip

ROWS, WEIGHT = "tensor<?x4xf32>", "tensor<4x4xf32>"


def branch_inputs(rng, rows):
    return rng.standard_normal((rows, 4)).astype(np.float32), rng.standard_normal((4, 4)).astype(np.float32)


@pytest.mark.parametrize("dense", ["", "dense"])
@pytest.mark.parametrize("flag", ["tensor<i1>", "tensor<1x1xi1>"])
def test_exit(build, dense, flag):
    """One side or the other; nested; results of several types, one that nobody wants; the number of rows is not fixed."""
    body = f"""
    %y, %which, %unused = ac.exit {dense} %a : {flag} early {{
      %0 = onnx.Constant() {{value = dense<1> : tensor<1xi64>}} : () -> tensor<1xi64>
      ac.yield %x, %0, %x : {ROWS}, tensor<1xi64>, {ROWS}
    }} rest {{
      %h = onnx.MatMul(%x, %w) : ({ROWS}, {WEIGHT}) -> {ROWS}
      %1:2 = ac.exit {dense} %b : {flag} early {{
        %0 = onnx.Constant() {{value = dense<2> : tensor<1xi64>}} : () -> tensor<1xi64>
        ac.yield %h, %0 : {ROWS}, tensor<1xi64>
      }} rest {{
        %0 = onnx.Constant() {{value = dense<3> : tensor<1xi64>}} : () -> tensor<1xi64>
        %2 = onnx.MatMul(%h, %w) : ({ROWS}, {WEIGHT}) -> {ROWS}
        ac.yield %2, %0 : {ROWS}, tensor<1xi64>
      }} -> {ROWS}, tensor<1xi64>
      ac.yield %1#0, %1#1, %h : {ROWS}, tensor<1xi64>, {ROWS}
    }} -> {ROWS}, tensor<1xi64>, {ROWS}
"""
    inputs = [("x", ROWS), ("w", WEIGHT), ("a", flag), ("b", flag)]
    run, rng = build(body, inputs, [("y", ROWS), ("which", "tensor<1xi64>")]), seeded("exit")
    for rows, a, b in itertools.product((3, 1, 0), (False, True), (False, True)):
        x, w = branch_inputs(rng, rows)
        as_flag = lambda value: np.full((1, 1) if "1x1" in flag else (), value)
        got = run(x=x, w=w, a=as_flag(a), b=as_flag(b))
        want = x if a else x @ w if b else x @ w @ w
        assert got["y"].shape == want.shape and np.allclose(got["y"], want, rtol=1e-5, atol=1e-5)
        assert got["which"].dtype == np.int64 and got["which"].tolist() == [1 if a else 2 if b else 3]


@pytest.mark.parametrize("dense", ["", "dense"])
def test_exit_with_other_dimensions(build, dense):
    """The early answer is for one row, the other one for all; what is not finite on the other side does not show."""
    body = f"""
    %i = onnx.Constant() {{value = dense<0> : tensor<1xi64>}} : () -> tensor<1xi64>
    %y = ac.exit {dense} %a : tensor<i1> early {{
      %0 = onnx.Gather(%x, %i) {{axis = 0 : i64}} : ({ROWS}, tensor<1xi64>) -> tensor<1x4xf32>
      %1 = onnx.Sqrt(%0) : (tensor<1x4xf32>) -> {ROWS}
      ac.yield %1 : {ROWS}
    }} rest {{
      %0 = onnx.Neg(%x) : ({ROWS}) -> {ROWS}
      %1 = onnx.Sqrt(%0) : ({ROWS}) -> {ROWS}
      ac.yield %1 : {ROWS}
    }} -> {ROWS}
"""
    run = build(body, [("x", ROWS), ("a", "tensor<i1>")], [("y", ROWS)])
    x = np.full((3, 4), 4, np.float32)
    assert np.array_equal(run(x=x, a=np.array(True))["y"], np.full((1, 4), 2, np.float32))
    assert np.array_equal(run(x=-x, a=np.array(False))["y"], np.full((3, 4), 2, np.float32))


@pytest.mark.parametrize("reads_cache", [False, True])
@pytest.mark.parametrize("policy", ["none", "propagate", "forbid"])
def test_exit_and_caches(build, policy, reads_cache):
    """`forbid` does not exit where a cache is read that the rest would have extended."""
    body = f"""
    %y, %cache = ac.exit %a : tensor<i1> kv {policy} early {{
      ac.yield %x, %past : {ROWS}, {ROWS}
    }} rest {{
      %0 = onnx.MatMul(%x, %w) : ({ROWS}, {WEIGHT}) -> {ROWS}
      %1 = onnx.Concat(%past, %x) {{axis = 0 : i64}} : ({ROWS}, {ROWS}) -> {ROWS}
      ac.yield %0, %1 : {ROWS}, {ROWS}
    }} -> {ROWS}, {ROWS}
"""
    inputs = [("x", ROWS), ("w", WEIGHT), ("past", ROWS), ("a", "tensor<i1>")]
    run = build(body, inputs, [("y", ROWS)] + [("cache", ROWS)] * reads_cache)
    x, w = branch_inputs(seeded("caches"), 2)
    past = np.ones((5, 4), np.float32)
    for stop in (False, True):
        exits = stop and not (policy == "forbid" and reads_cache)
        got = run(x=x, w=w, past=past, a=np.array(stop))
        assert np.allclose(got["y"], x if exits else x @ w, rtol=1e-5, atol=1e-5)
        if reads_cache:
            assert np.array_equal(got["cache"], past if exits else np.concatenate([past, x]))


@pytest.mark.parametrize("dense", ["", "dense"])
def test_skip(build, dense):
    """A block that runs or is passed by, twice in a row."""
    body = f"""
    %h = ac.skip {dense} %a : tensor<i1> otherwise(%x : {ROWS}) {{
      %0 = onnx.MatMul(%x, %w) : ({ROWS}, {WEIGHT}) -> {ROWS}
      ac.yield %0 : {ROWS}
    }} -> {ROWS}
    %y, %seen = ac.skip {dense} %b : tensor<i1> otherwise(%h, %x : {ROWS}, {ROWS}) {{
      %0 = onnx.MatMul(%h, %w) : ({ROWS}, {WEIGHT}) -> {ROWS}
      %1 = onnx.Add(%h, %0) : ({ROWS}, {ROWS}) -> {ROWS}
      ac.yield %1, %0 : {ROWS}, {ROWS}
    }} -> {ROWS}, {ROWS}
"""
    inputs = [("x", ROWS), ("w", WEIGHT), ("a", "tensor<i1>"), ("b", "tensor<i1>")]
    run, rng = build(body, inputs, [("y", ROWS), ("seen", ROWS)]), seeded("skip")
    for rows, a, b in itertools.product((3, 1, 0), (False, True), (False, True)):
        x, w = branch_inputs(rng, rows)
        got = run(x=x, w=w, a=np.array(a), b=np.array(b))
        h = x @ w if a else x
        assert np.allclose(got["y"], h + h @ w if b else h, rtol=1e-5, atol=1e-5)
        assert np.allclose(got["seen"], h @ w if b else x, rtol=1e-5, atol=1e-5)


def test_exits_and_skips_count(accordion, tmp_path):
    """How often each ran and how often it cost something; what was saved is known where shapes are."""
    kind = "tensor<8x4xf32>"
    body = f"""
    %h = ac.skip %a : tensor<i1> otherwise(%x : {kind}) {{
      %0 = onnx.MatMul(%x, %w) : ({kind}, {WEIGHT}) -> {kind}
      ac.yield %0 : {kind}
    }} -> {kind}
    %y = ac.exit %b : tensor<i1> early {{
      ac.yield %h : {kind}
    }} rest {{
      %0 = onnx.MatMul(%h, %w) : ({kind}, {WEIGHT}) -> {kind}
      %1 = onnx.MatMul(%0, %w) : ({kind}, {WEIGHT}) -> {kind}
      ac.yield %1 : {kind}
    }} -> {kind}
"""
    inputs = [("x", kind), ("w", WEIGHT), ("a", "tensor<i1>"), ("b", "tensor<i1>")]
    (tmp_path / "model.mlir").write_text(program(body, inputs, [("y", kind)]))
    session = accordion.compile(tmp_path / "model.mlir", threads=1)
    skip, leave = session.get_sites()
    product = 2 * 8 * 4 * 4
    assert (skip.kind, skip.counters, skip.flops) == ("skip", ["runs", "body"], [0, product])
    assert (leave.kind, leave.counters, leave.flops) == ("exit", ["runs", "rest"], [0, 2 * product])
    x, w = branch_inputs(seeded("count"), 8)
    for a, b in itertools.product((False, True), repeat=2):
        session.run(None, {"x": x, "w": w, "a": np.array(a), "b": np.array(b)})
        stats = session.stats()
        assert list(stats["sites"][skip.name]) == [1, int(a)] and list(stats["sites"][leave.name]) == [1, int(not b)]
        assert stats["flops_done"] == product * (a + 2 * (not b))


# ------------------------------------------------------------------------------------------ constant decisions

FIVE, FIVE_NAN = "tensor<5x4xf32>", [[1.0], [np.nan], [0.0], [-0.0], [2.0]]
LEARNER = """^bb0(%row: tensor<5x4xf32>):
      %0 = onnx.MatMul(%row, %w) : (tensor<5x4xf32>, tensor<4x4xf32>) -> tensor<5x4xf32>
      %1 = onnx.{} (%0) : (tensor<5x4xf32>) -> tensor<5x4xf32>
      ac.yield %1 : tensor<5x4xf32>
    }}"""
NAMES = ("Tanh", "Relu", "Neg")
LEARNERS, EXPERTS_OF_FIVE = (
    " ".join(f"{word} {{ {LEARNER.format(name)}" for name in NAMES) for word in ("learner", "expert")
)
# Name: the type of the decision, values of it, the program.
CONSTANT = {
    "masked_rows": (
        "tensor<5x1xf32>",
        [[[1.0]] * 5, [[0.0]] * 5, FIVE_NAN, [[np.nan]] * 5],
        f"%y = ac.masked_rows %d : tensor<5x1xf32> rows(%x : {FIVE}) {{ {LEARNER.format('Tanh')} -> {FIVE}",
    ),
    "learner_chain": (
        "tensor<5x1xi64>",
        [[[0]] * 5, [[2]] * 5, [[3]] * 5, [[7]] * 5, [[-1]] * 5, [[0], [1], [2], [1], [0]]],
        f"%y = ac.learner_chain %d : tensor<5x1xi64> rows(%x : {FIVE}) residual(%x : {FIVE}) {LEARNERS} -> {FIVE}",
    ),
    "learner_chain_min": (
        "tensor<5x1xi64>",
        [[[0]] * 5, [[2]] * 5, [[-9]] * 5],
        f"%y = ac.learner_chain %d : tensor<5x1xi64> rows(%x : {FIVE}) min 1 {LEARNERS} -> {FIVE}",
    ),
    "moe_dispatch": (
        "tensor<5x3xf32>",
        [[[0.0] * 3] * 5, [[0.5, 0.0, 0.25]] * 5, [[0.0, 1.0, 0.0]] * 5, [[np.nan, 0.0, 0.0]] * 5],
        f"%y = ac.moe_dispatch %d : tensor<5x3xf32> rows(%x : {FIVE}) {EXPERTS_OF_FIVE} -> {FIVE}",
    ),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_constant_decisions_change_nothing(build, name):
    kind, values, body = CONSTANT[name]
    inputs, outputs = [("x", FIVE), ("w", WEIGHT)], [("y", FIVE)]
    x, w = branch_inputs(seeded(name), 5)
    x[3, 1] = np.nan
    element = np.int64 if "i64" in kind else np.float32
    given = build(body, [*inputs, ("d", kind)], outputs)
    for value in values:
        text = re.sub("nan", "0x7FC00000", str(value))
        known = build(f"%d = onnx.Constant() {{value = dense<{text}> : {kind}}} : () -> {kind}\n    {body}", inputs, outputs)
        want, got = given(x=x, w=w, d=np.array(value, element))["y"], known(x=x, w=w)["y"]
        assert np.allclose(got, want, rtol=1e-6, atol=1e-6, equal_nan=True), value
