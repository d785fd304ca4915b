"""Work that hangs on decisions, operation by operation, against plain numpy."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from programs import builder, program, seeded


@pytest.fixture(scope="module")
def build(accordion, tmp_path_factory):
    return builder(accordion, tmp_path_factory.mktemp("programs"))


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


FIVE, FIVE_NAN = "tensor<5x4xf32>", [[1.0], [np.nan], [0.0], [-0.0], [2.0]]
LEARNER = """^bb0(%row: tensor<5x4xf32>):
      %0 = onnx.MatMul(%row, %w) : (tensor<5x4xf32>, tensor<4x4xf32>) -> tensor<5x4xf32>
      %1 = onnx.{} (%0) : (tensor<5x4xf32>) -> tensor<5x4xf32>
      ac.yield %1 : tensor<5x4xf32>
    }}"""
NAMES = ("Tanh", "Relu", "Neg")
LEARNERS, EXPERTS_OF_FIVE = (" ".join(f"{word} {{ {LEARNER.format(name)}" for name in NAMES) for word in ("learner", "expert"))
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
    "halting_loop": (
        "tensor<i64>",
        [0, 1, -3, 2],
        f"""%y = ac.halting_loop limit(%d : tensor<i64>) init(%x : {FIVE}) rows [true] running {{
    ^bb0(%i: tensor<i64>, %h: {FIVE}):
      %all = onnx.Constant() {{value = dense<true> : tensor<5x1xi1>}} : () -> tensor<5x1xi1>
      ac.yield %all : tensor<5x1xi1>
    }} body {{
    ^bb0(%i: tensor<i64>, %h: {FIVE}):
      %0 = onnx.MatMul(%h, %w) : ({FIVE}, tensor<4x4xf32>) -> {FIVE}
      %1 = onnx.Cast(%i) {{to = 1 : i64}} : (tensor<i64>) -> tensor<f32>
      %2 = onnx.Add(%0, %1) : ({FIVE}, tensor<f32>) -> {FIVE}
      ac.yield %2 : {FIVE}
    }} -> {FIVE}""",
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
