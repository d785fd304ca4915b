"""Work for rows (`ac.masked_rows`, `ac.learner_chain`, `ac.moe_dispatch`, `ac.halting_loop`) against plain numpy, and the
promise that what a row gets depends on that row alone, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from programs import constant, program, seeded

WIDTHS = [1, 16, 17, 33, 48, 64, 65, 100]
COUNTS = [1, 2, 6, 7, 8, 96, 97, 98, 201]


@pytest.fixture(scope="module")
def build(accordion, tmp_path_factory):
    """Compiles a program whose first dynamic dimensions are named; a function from threads and feeds to outputs by name."""
    folder, built = tmp_path_factory.mktemp("rows"), {}

    def build(key, *text):
        if key not in built:
            path = folder / f"{len(built)}.mlir"
            path.write_text(program(*text))
            accordion.compile(path, output=path.with_suffix(".so"))
            sessions = [accordion.load(path.with_suffix(".so"), threads=n) for n in (1, 2, 3)]
            names = [name for name, _ in text[2]]
            built[key] = lambda feeds, threads=1: dict(zip(names, sessions[threads - 1].run(None, feeds)))
        return built[key]

    return build


class Branches:
    """Three branches over rows of one width: a product alone, two with bias and activation, one with an activation; and
    a last one that gives the row as it is."""

    def __init__(self, width, rank):
        rng = seeded("branches", width)
        shape = lambda *dims: (rng.standard_normal(dims) / np.sqrt(dims[0])).astype(np.float32)
        inner = 2 * width + 3
        self.a, self.b, self.c, self.d = shape(width, width), shape(width, inner), shape(inner, width), shape(width, width)
        self.e, self.f = shape(inner), shape(width)
        self.constants = "".join(constant(f"w_{name}", getattr(self, name)) for name in "abcdef")
        self.kind = f"tensor<{'?x' * (rank - 1)}{width}xf32>"
        wide, row, w = self.kind.replace(f"{width}x", f"{inner}x"), self.kind, width
        product = lambda x, m, k, n, to: f"onnx.MatMul(%{x}, %w_{m}) : ({k}, tensor<{n}xf32>) -> {to}"
        self.texts = [
            f"%0 = {product('row', 'a', row, f'{w}x{w}', row)}",
            f"%h0 = {product('row', 'b', row, f'{w}x{inner}', wide)}\n"
            f"%h1 = onnx.Add(%h0, %w_e) : ({wide}, tensor<{inner}xf32>) -> {wide}\n"
            f"%h2 = onnx.Relu(%h1) : ({wide}) -> {wide}\n"
            f"%h3 = {product('h2', 'c', wide, f'{inner}x{w}', row)}\n"
            f"%0 = onnx.Add(%h3, %w_f) : ({row}, tensor<{w}xf32>) -> {row}",
            f"%h0 = {product('row', 'd', row, f'{w}x{w}', row)}\n%0 = onnx.Tanh(%h0) : ({row}) -> {row}",
        ]

    def region(self, *branches, word=""):
        body = lambda n: self.texts[n] if n < 3 else f"%0 = onnx.Identity(%row) : ({self.kind}) -> {self.kind}"
        return " ".join(f"{word} {{\n^bb0(%row: {self.kind}):\n{body(n)}\nac.yield %0 : {self.kind}\n}}" for n in branches)

    def __call__(self, n, x):
        x, relu = x.astype(np.float64), lambda v: np.maximum(v, 0)
        return [x @ self.a, relu(x @ self.b + self.e) @ self.c + self.f, np.tanh(x @ self.d), x][n]


class RowWork:
    """All operations over rows on the same rows, each with results of its own."""

    OUTPUTS = ("chain", "bare", "single", "experts", "zeroed", "kept")

    def __init__(self, build, width, rank=2, dense="", only=OUTPUTS):
        self.branches = f = Branches(width, rank)
        lead = "?x" * (rank - 1)
        kinds = {"x": f.kind, "k": f"tensor<{lead}1xi64>", "g": f"tensor<{lead}4xf32>", "m": f"tensor<{lead}1xi1>"}
        rows = f"rows(%x : {f.kind})"
        chain = f"ac.learner_chain {dense} %k : {kinds['k']} {rows}"
        text = f"""
    %chain = {chain} residual(%x : {f.kind}) {f.region(0, 1, 2, word="learner")} -> {f.kind}
    %bare = {chain} min 1 {f.region(1, 0, word="learner")} -> {f.kind}
    %single = {chain} {f.region(2, word="learner")} -> {f.kind}
    %experts = ac.moe_dispatch {dense} %g : {kinds["g"]} {rows} {f.region(0, 1, 3, 0, word="expert")} -> {f.kind}
    %zeroed = ac.masked_rows {dense} %m : {kinds["m"]} {rows} {f.region(1)} -> {f.kind}
    %kept = ac.masked_rows {dense} %m : {kinds["m"]} {rows} otherwise(%x : {f.kind}) {f.region(0)} -> {f.kind}
"""
        # Nothing is computed for outputs that are left out.
        outputs = [(name, f.kind) for name in only]
        symbols = ("n", "s")[: rank - 1]
        self.run = build((width, rank, dense, only), f.constants + text, list(kinds.items()), outputs, symbols)

    def formula(self, x, k, g, m):
        f = self.branches
        upto = lambda order, start, least=0: start + sum(
            np.where(np.maximum(k, least) > n, f(branch, x), 0) for n, branch in enumerate(order)
        )
        weighted = (np.where(g[..., e : e + 1] != 0, g[..., e : e + 1] * f(n, x), 0) for e, n in enumerate((0, 1, 3, 0)))
        return {
            "chain": upto((0, 1, 2), x),
            "bare": upto((1, 0), 0 * x, least=1),
            "single": upto((2,), 0 * x),
            "experts": sum(weighted),
            "zeroed": np.where(m, f(1, x), 0),
            "kept": np.where(m, f(0, x), x),
        }


def decisions(rng, lead, width):
    g = rng.standard_normal((*lead, 4)).astype(np.float32) * (rng.random((*lead, 4)) < 0.5)
    return {
        "x": rng.standard_normal((*lead, width)).astype(np.float32),
        "k": rng.integers(-2, 6, (*lead, 1)),
        "g": g.astype(np.float32),
        "m": rng.random((*lead, 1)) < 0.5,
    }


def extremes(feeds):
    """The feeds with decisions for all rows, for none, and numbers that a decision may hold as well."""
    yield feeds
    for k, g, m in ((0, 0, False), (3, 0.5, True), (-(2**62), -0.0, False), (2**62, -1, True)):
        full = lambda name, value: np.full_like(feeds[name], value)
        yield {**feeds, "k": full("k", k), "g": full("g", g), "m": full("m", m)}


def agree(got, want, tolerance=2e-5):
    for name in got:
        value = want[name]
        assert got[name].shape == value.shape and got[name].dtype == np.float32, name
        scale = max(1.0, float(np.abs(value[np.isfinite(value)]).max(initial=0)))
        assert np.allclose(got[name], value, rtol=0, atol=tolerance * scale, equal_nan=True), name


def same_bits(got, want, pick=lambda value: value):
    for name in want:
        assert got[name].tobytes() == np.ascontiguousarray(pick(want[name])).tobytes(), name


@pytest.mark.parametrize("rank", [2, 3])
def test_formula(build, rank):
    """All rows take part, none, some, one row, no row; counts beyond the learners; compact and reference form."""
    compact, dense = RowWork(build, 17, rank), RowWork(build, 17, rank, "dense")
    rng = seeded("formula", rank)
    for lead in ((13,), (1,), (0,)) if rank == 2 else ((3, 5), (1, 1), (0, 4), (4, 0)):
        for feeds in extremes(decisions(rng, lead, 17)):
            want = compact.formula(**feeds)
            agree(compact.run(feeds), want)
            agree(dense.run(feeds), want)


def test_not_finite(build):
    """A weight of NaN is not zero, and reaches its own row only; a row that is not finite stays out of the others."""
    work = RowWork(build, 17)
    feeds = decisions(seeded("nan"), (9,), 17)
    feeds["g"][2, 1], feeds["x"][4, 3], feeds["x"][5, 0] = np.nan, np.inf, np.nan
    feeds["k"][4:6], feeds["g"][4:6], feeds["m"][4:6] = 0, 0, False
    got = work.run(feeds)
    assert np.isnan(got["experts"][2]).all()
    others = np.delete(np.arange(9), [2, 4, 5])
    want = work.formula(**{name: value[others] for name, value in feeds.items()})
    agree({name: value[others] for name, value in got.items()}, want)
    for name in ("single", "zeroed"):
        assert not got[name][4:6].any(), f"{name} computed rows that were masked out"
    assert np.array_equal(got["kept"][4:6], feeds["x"][4:6], equal_nan=True)


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_do_not_see_each_other(build, width):
    """The same bits for a row alone, among any number of others, anywhere among them, and on any number of threads."""
    work, rng = RowWork(build, width, only=("chain", "experts", "kept")), seeded("mates", width)
    feeds = decisions(rng, (max(COUNTS),), width)
    whole = work.run(feeds)
    agree(whole, work.formula(**feeds), 1e-4)
    for threads in (2, 3):
        same_bits(work.run(feeds, threads), whole)
    for count in COUNTS:
        start = int(rng.integers(0, max(COUNTS) - count + 1))
        part = slice(start, start + count)
        same_bits(work.run({name: value[part] for name, value in feeds.items()}), whole, lambda value: value[part])
    order = rng.permutation(max(COUNTS))
    same_bits(work.run({name: value[order] for name, value in feeds.items()}), whole, lambda value: value[order])
    # As many rows in each branch as the mates decide, 1 to all, for one and the same row.
    for count in COUNTS[:-1]:
        taken = np.arange(max(COUNTS))[:, None] <= count
        few = {**feeds, "k": np.where(taken, 9, 0), "m": taken}
        few["k"][0], few["m"][0] = feeds["k"][0], feeds["m"][0]
        got = work.run(few)
        same_bits({name: value[:1] for name, value in got.items()}, whole, lambda value: value[:1])


ACTIVATIONS = ["Gelu", "Sigmoid", "Erf", "Softplus", "Mish", "Elu", "HardSwish", "Exp"]


def test_activations_do_not_see_other_rows(build):
    """What follows a product runs on the product's tiles, those at the end included: the same bits in each."""
    f = Branches(48, 2)
    lines = (
        f"%{name} = ac.masked_rows %m : tensor<?x1xi1> rows(%x : {f.kind}) otherwise(%x : {f.kind}) {{\n^bb0(%row: {f.kind}):\n"
        f"%0 = onnx.MatMul(%row, %w_a) : ({f.kind}, tensor<48x48xf32>) -> {f.kind}\n"
        f"%1 = onnx.Add(%0, %w_f) : ({f.kind}, tensor<48xf32>) -> {f.kind}\n"
        f"%2 = onnx.{name}(%1) : ({f.kind}) -> {f.kind}\n%3 = onnx.Mul(%1, %2) : ({f.kind}, {f.kind}) -> {f.kind}\n"
        f"%4 = onnx.Add(%3, %row) : ({f.kind}, {f.kind}) -> {f.kind}\nac.yield %4 : {f.kind}\n}} -> {f.kind}"
        for name in ACTIVATIONS
    )
    inputs = [("x", f.kind), ("m", "tensor<?x1xi1>")]
    outputs = [(name, f.kind) for name in ACTIVATIONS]
    run = build("activations", f.constants + "\n".join(lines), inputs, outputs, ("n",))
    x = seeded("activations").standard_normal((25, 48)).astype(np.float32)
    whole = run({"x": x, "m": np.ones((25, 1), bool)})
    for count in range(1, 14):
        same_bits(run({"x": x[:count], "m": np.ones((count, 1), bool)}), whole, lambda value: value[:count])


def test_many_rows(build):
    work, rng = RowWork(build, 1, only=("chain", "experts", "kept")), seeded("many")
    feeds = decisions(rng, (100_000,), 1)
    got = work.run(feeds)
    agree(got, work.formula(**feeds))
    for threads in (2, 3):
        same_bits(work.run(feeds, threads), got)


WIDTH = 17


class Halting:
    """Adaptive computation time over a product and a chain of learners: `form` says how the body is written."""

    OUTPUTS = ("h", "mass", "steps", "count", "passed")

    def __init__(self, build, form):
        self.form, self.branches = form, (f := Branches(WIDTH, 2))
        kinds = {"x": f.kind, "p": "tensor<?x1xf32>", "start": "tensor<?x1xf32>", "k": "tensor<?x1xi64>"}
        kinds |= {"limit": "tensor<i64>", "stop": "tensor<1xi1>"}
        col, state = "tensor<?x1xf32>", f"{f.kind}, tensor<?x1xf32>, tensor<?xf32>, tensor<i64>"
        arguments = f"^bb0(%i: tensor<i64>, %h: {f.kind}, %a: {col}, %s: tensor<?xf32>, %c: tensor<i64>):"
        go = f"%go = onnx.Less(%a, %one) : ({col}, tensor<f32>) -> tensor<?x1xi1>"
        rows = f"rows(%h : {f.kind})"
        work = f"ac.learner_chain %k : tensor<?x1xi64> {rows} residual(%h : {f.kind}) {f.region(2, word='learner')}"
        if form == "self_masked":
            work = f"ac.masked_rows %go : tensor<?x1xi1> {rows} otherwise(%h : {f.kind}) {f.region(2)}"
        text = f"""
    %one = onnx.Constant() {{value = dense<1.0> : tensor<f32>}} : () -> tensor<f32>
    %zero = onnx.Constant() {{value = dense<0> : tensor<i64>}} : () -> tensor<i64>
    %each = onnx.Constant() {{value = dense<1> : tensor<i64>}} : () -> tensor<i64>
    %last = onnx.Constant() {{value = dense<1> : tensor<1xi64>}} : () -> tensor<1xi64>
    %none = onnx.ReduceSum(%p, %last) {{keepdims = 0 : i64}} : ({col}, tensor<1xi64>) -> tensor<?xf32>
    %s0 = onnx.Sub(%none, %none) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    %h, %mass, %steps, %count = ac.halting_loop {form if form != "plain" else ""} limit(%limit : tensor<i64>)
        init(%x, %start, %s0, %zero : {state}) rows [true, true, true, false] running {{
    {arguments}
      {go}
      ac.yield %go : tensor<?x1xi1>
    }} body {{
    {arguments}
      {go}
      %next = {work} -> {f.kind}
      %more = onnx.Add(%a, %p) : ({col}, {col}) -> {col}
      %t = onnx.Add(%s, %one) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
      %d = onnx.Add(%c, %each) : (tensor<i64>, tensor<i64>) -> tensor<i64>
      ac.yield %next, %more, %t, %d : {state}
    }} -> {state}
    %passed = ac.exit %stop : tensor<1xi1> early {{
      ac.yield %x : {f.kind}
    }} rest {{
      %inner = ac.halting_loop limit(%limit : tensor<i64>) init(%x : {f.kind}) rows [true] running {{
      ^bb0(%i: tensor<i64>, %y: {f.kind}):
        %is = onnx.Greater(%p, %start) : ({col}, {col}) -> tensor<?x1xi1>
        ac.yield %is : tensor<?x1xi1>
      }} body {{
      ^bb0(%i: tensor<i64>, %y: {f.kind}):
        %z = onnx.Neg(%y) : ({f.kind}) -> {f.kind}
        ac.yield %z : {f.kind}
      }} -> {f.kind}
      ac.yield %inner : {f.kind}
    }} -> {f.kind}
"""
        types = [f.kind, col, "tensor<?xf32>", "tensor<i64>", f.kind]
        outputs = list(zip(self.OUTPUTS, types))
        self.run = build(("halting", form), f.constants + text, list(kinds.items()), outputs, ("n",))

    def formula(self, x, p, start, k, limit, stop):
        h, a, steps, count = x.astype(np.float64), start.copy(), np.zeros(len(x)), 0
        for i in range(int(limit)):
            go = a < 1
            if not go.any():
                break
            work = self.branches(2, h)
            new = work if self.form == "self_masked" else h + np.where(k > 0, work, 0)
            h, a, steps, count = np.where(go, new, h), np.where(go, a + p, a), steps + go[:, 0], i + 1
        flips = np.where((p > start) & (int(limit) % 2 == 1) & (limit > 0), -x, x)
        return {"h": h, "mass": a, "steps": steps, "count": count, "passed": x if stop[0] else flips}


@pytest.fixture(scope="module", params=["plain", "self_masked", "dense"])
def halting(build, request):
    return Halting(build, request.param)


def halting_feeds(rng, rows, limit, start=0.0):
    return {
        "x": rng.standard_normal((rows, WIDTH)).astype(np.float32),
        "p": rng.random((rows, 1)).astype(np.float32),
        "start": np.full((rows, 1), start, np.float32),
        "k": rng.integers(0, 3, (rows, 1)),
        "limit": np.array(limit),
        "stop": np.array([False]),
    }


def test_halting_loop(halting):
    """All rows halt at once, none does before the limit, some do; limits of zero, one and below zero."""
    rng = seeded("halting")
    cases = [halting_feeds(rng, rows, limit) for rows in (9, 1, 0) for limit in (-1, 0, 1, 7)]
    cases.append(halting_feeds(rng, 9, 7, start=1.0))
    cases.append({**halting_feeds(rng, 9, 7), "p": np.zeros((9, 1), np.float32)})
    cases.append({**halting_feeds(rng, 9, 7), "p": np.ones((9, 1), np.float32), "stop": np.array([True])})
    for feeds in cases:
        got, want = halting.run(feeds), halting.formula(**feeds)
        assert got["count"] == want["count"] and np.array_equal(got["steps"], want["steps"])
        for name in ("h", "mass", "passed"):
            assert np.allclose(got[name], want[name], rtol=1e-4, atol=1e-4), name


def test_halting_loop_keeps_what_has_halted(halting):
    """To the bit; a NaN that the rule compares halts its row alone."""
    feeds = halting_feeds(seeded("kept"), 9, 6)
    feeds["start"][2], feeds["start"][4], feeds["start"][5] = 1, np.nan, 2
    feeds["x"][2, 0], feeds["x"][2, 1], feeds["x"][5, 3] = -0.0, np.nan, np.inf
    got = halting.run(feeds)
    for row in (2, 4, 5):
        assert got["h"][row].tobytes() == feeds["x"][row].tobytes() and got["steps"][row] == 0
    rest = np.delete(np.arange(9), [2, 4, 5])
    few = {name: value[rest] if value.shape[:1] == (9,) else value for name, value in feeds.items()}
    alone = halting.run(few)
    for name in ("h", "mass", "steps"):
        assert got[name][rest].tobytes() == alone[name].tobytes()
    for threads in (2, 3):
        same_bits(halting.run(feeds, threads), got)
