"""Budgets and counters of compiled models: the executable, the C API and Python agree with the model's arithmetic."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

# A threshold decides between branches, a gain is read in one of them only, a number of steps bounds a loop.
GRAPH = """
func.func @main(%x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x4xf32> {onnx.name = "y", onnx.dims = ["n", 4]}) {
  %none = "onnx.NoValue"() {value} : () -> none
  %peak = "onnx.ReduceMax"(%x, %none) {keepdims = 0 : i64} : (tensor<?x4xf32>, none) -> tensor<f32>
  %t = ac.budget "branch.threshold" = 0.5 in [0.0, 0x7FF0000000000000] : tensor<f32>
  %large = "onnx.Greater"(%peak, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = "onnx.If"(%large) ({
    %gain = ac.budget "branch.gain" = 2.0 in [-8.0, 8.0] : tensor<f32>
    %0 = "onnx.Mul"(%x, %gain) : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
    "onnx.Yield"(%0) : (tensor<?x4xf32>) -> ()
  }, {
    %steps = ac.budget "loop.steps" = 3.0 in [0.0, 64.0] : tensor<i64>
    %0 = "onnx.Loop"(%steps, %none, %x) ({
    ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<?x4xf32>):
      %1 = "onnx.Add"(%v, %v) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
      "onnx.Yield"(%go, %1) : (tensor<i1>, tensor<?x4xf32>) -> ()
    }) : (tensor<i64>, none, tensor<?x4xf32>) -> tensor<?x4xf32>
    "onnx.Yield"(%0) : (tensor<?x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
"""

# What lowerings leave behind: in each of `steps` iterations the rows are counted, and for the iterations whose first
# element is below the limit, by the number of the iteration, "third" and later ones together.
COUNTS = 'of "halting_loop" ["row-steps", "first", "second", "third or later"] flops [0, 8, 8, 16]'
LOOP = f"""
#identity = affine_map<(d0, d1) -> (d0, d1)>
module attributes {{ac.stage = "lower"}} {{
func.func @main(%x: tensor<?x4xf32> {{ac.type = "f32", bufferization.writable = false, onnx.name = "x", onnx.dims = ["n", 4]}})
    -> (tensor<?x4xf32> {{ac.type = "f32", onnx.name = "y", onnx.dims = ["n", 4]}}) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  %rows = tensor.dim %x, %c0 : tensor<?x4xf32>
  %n = ac.read_budget "loop.steps" = 3.0 in [0.0, 64.0] : i64
  %steps = arith.index_cast %n : i64 to index
  %y = scf.for %i = %c0 to %steps step %c1 iter_args(%v = %x) -> (tensor<?x4xf32>) {{
    ac.count "loop" 0 %rows {COUNTS}
    %first = tensor.extract %v[%c0, %c0] : tensor<?x4xf32>
    %limit = ac.read_budget "loop.limit" = 2.5 in [0.0, 100.0] : f32
    %goes = arith.cmpf olt, %first, %limit : f32
    %w = scf.if %goes -> (tensor<?x4xf32>) {{
      ac.count "loop" 1 %rows at %i {COUNTS}
      %e = tensor.empty(%rows) : tensor<?x4xf32>
      %0 = linalg.generic {{indexing_maps = [#identity, #identity], iterator_types = ["parallel", "parallel"]}}
          ins(%v : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) {{
      ^bb0(%a: f32, %o: f32):
        %s = arith.addf %a, %one : f32
        linalg.yield %s : f32
      }} -> tensor<?x4xf32>
      scf.yield %0 : tensor<?x4xf32>
    }} else {{
      scf.yield %v : tensor<?x4xf32>
    }}
    scf.yield %w : tensor<?x4xf32>
  }}
  ac.count "end" 0 %c1 of "exit" ["runs", "taken"] flops [0, -1]
  return %y : tensor<?x4xf32>
}}
}}
"""


def graph(x, threshold=0.5, gain=2.0, steps=3):
    return x * np.float32(gain) if x.max() > np.float32(threshold) else x * np.float32(2**steps)


def loop(x, steps=3, limit=2.5):
    counts, x = [0, 0, 0, 0], x.copy()
    for i in range(steps):
        counts[0] += len(x)
        if x[0, 0] < np.float32(limit):
            counts[1 + min(i, 2)] += len(x)
            x += 1
    return x, counts


@pytest.fixture(scope="module")
def place(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("budgets")
    for name, text in (("graph", GRAPH), ("loop", LOOP)):
        (folder / f"{name}.mlir").write_text(text)
        tools.succeed("ac-compile", folder / f"{name}.mlir", "-o", folder / f"{name}.so")
    tools.succeed("ac-compile", folder / "loop.mlir", "-o", folder / "loop")
    tools.succeed("ac-compile", folder / "graph.mlir", "-o", folder / "graph")
    for name, x in (("small", np.full((3, 4), 0.25, np.float32)), ("large", np.arange(8, dtype=np.float32).reshape(2, 4))):
        np.savez(folder / f"{name}.npz", x=x)
    return folder


def read(place, name):
    return np.load(place / f"{name}.npz")["x"]


class TestProgram:
    @pytest.mark.parametrize("name", ["small", "large"])
    @pytest.mark.parametrize("budgets", [{}, {"threshold": 100, "steps": 5}, {"threshold": 0.125, "gain": -0.5}, {"steps": 0}])
    def test_graph(self, tools, place, tmp_path, name, budgets):
        full = {"threshold": "branch.threshold", "gain": "branch.gain", "steps": "loop.steps"}
        flags = [f"--budget={full[budget]}={value}" for budget, value in budgets.items()]
        tools.succeed(place / "graph", "--inputs", place / f"{name}.npz", "--outputs", tmp_path / "out.npz", *flags)
        assert np.array_equal(np.load(tmp_path / "out.npz")["y"], graph(read(place, name), **budgets))

    def test_info(self, tools, place):
        said = tools.succeed(place / "graph", "--info")
        assert re.search(r"branch\.threshold\s+f32\s+0\.5 in \[0, inf\]", said), said
        assert re.search(r"loop\.steps\s+i64\s+3 in \[0, 64\]", said), said
        assert "loop  halting_loop: row-steps, first (8 flops)" in tools.succeed("ac-run", place / "loop.so", "--info")

    @pytest.mark.parametrize(("steps", "limit"), [(3, 2.5), (0, 2.5), (40, 30), (64, 0)])
    def test_stats(self, tools, place, tmp_path, steps, limit):
        flags = ["--budget", f"loop.steps={steps}", "--budget", f"loop.limit={limit}", "--repeat=2", "--threads=2"]
        stats = tmp_path / "stats.json"
        tools.succeed(place / "loop", "--inputs", place / "small.npz", "--outputs", tmp_path / "o.npz", "--stats", stats, *flags)
        y, counts = loop(read(place, "small"), steps, limit)
        assert np.array_equal(np.load(tmp_path / "o.npz")["y"], y)
        written = json.loads(stats.read_text())
        assert written["threads"] == 2 and written["model"].endswith("loop")
        assert written["sites"][0]["counters"] == ["row-steps", "first", "second", "third or later"]
        assert written["sites"][0]["flops"] == [0, 8, 8, 16] and written["sites"][0]["kind"] == "halting_loop"
        done = 8 * counts[1] + 8 * counts[2] + 16 * counts[3]
        avoided = 32 * counts[0] - done
        assert len(written["runs"]) == 2
        for run in written["runs"]:
            assert run["sites"] == {"loop": counts, "end": [1, 0]} and run["seconds"] > 0
            assert run["budgets"] == {"loop.steps": steps, "loop.limit": limit}
            assert (run["flops_done"], run["flops_avoided"], run["flops_unknown"]) == (done, avoided, True)
        assert written["totals"] == {"flops_done": 2 * done, "flops_avoided": 2 * avoided, "flops_unknown": True}

    def test_errors(self, tools, place):
        def refused(*flags):
            error = tools.refuse(place / "graph", "--inputs", place / "small.npz", *flags)
            assert error.count("\n") == 1
            return error

        assert "did you mean `branch.gain`?" in refused("--budget", "branch.gian=1")
        assert "`loop.steps` was given 65, expected a whole number from 0 to 64" in refused("--budget=loop.steps=65")
        assert "`one` is not a number" in refused("--budget=loop.steps=one")


class TestCApi:
    def test_counts(self, tools, place):
        said = tools.succeed(tools.bin / "c-api-example", place / "loop.so", 3, "loop.steps=5", "loop.limit=2")
        y, counts = loop(np.tile(np.float32(0.1) * (np.arange(12, dtype=np.float32) % 10), 1).reshape(3, 4), 5, 2)
        assert f"site loop (halting_loop): row-steps {counts[0]} first {counts[1]} second {counts[2]}" in said, said
        assert f"output y: f32 [3, 4] {y[0, 0]:g} {y[0, 1]:g}" in said and "in place: same result" in said, said

    def test_refuses(self, tools, place):
        error = tools.run(tools.bin / "c-api-example", place / "loop.so", 3, "loop.step=5").stderr
        assert error == "error 2: the model has no budget `loop.step`, did you mean `loop.steps`?\n"


class TestPython:
    def test_graph(self, accordion, place):
        session = accordion.load(place / "graph.so", threads=1)
        x = read(place, "large")
        assert np.array_equal(session.run(None, {"x": x})[0], graph(x))
        session.set_budget("branch.threshold", float("inf"))
        once = session.run(None, {"x": x}, budgets={"loop.steps": 6})[0]
        assert np.array_equal(once, graph(x, np.inf, steps=6))
        assert np.array_equal(session.run(None, {"x": x})[0], graph(x, np.inf))

    def test_stats(self, accordion, place):
        session = accordion.load(place / "loop.so", threads=2)
        (y,) = session.run(None, {"x": read(place, "small")}, budgets={"loop.steps": 9})
        want, counts = loop(read(place, "small"), 9)
        assert np.array_equal(y, want) and session.stats()["sites"] == {"loop": counts, "end": [1, 0]}
