"""Budgets and stats of sessions: what is set, for whom it holds, and what several threads see of each other."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

# `steps` times: the rows are counted as run; while the budget `limit` exceeds the first element they take one step more.
COUNTS = 'of "halting_loop" ["row-steps", "taken"] flops [0, 4]'
MODEL = f"""
#identity = affine_map<(d0, d1) -> (d0, d1)>
module attributes {{ac.stage = "lower"}} {{
func.func @main(%x: tensor<?x4xf32> {{ac.type = "f32", bufferization.writable = false, onnx.name = "x", onnx.dims = ["n", 4]}})
    -> (tensor<?x4xf32> {{ac.type = "f32", onnx.name = "y", onnx.dims = ["n", 4]}}) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  %rows = tensor.dim %x, %c0 : tensor<?x4xf32>
  %some = arith.cmpi sgt, %rows, %c0 : index
  cf.assert %some, "node 'rows' (Gather): there is no first row"
  %n = ac.read_budget "steps" = 3.0 in [0.0, 1000.0] : i64
  %steps = arith.index_cast %n : i64 to index
  %limit = ac.read_budget "limit" = 2.5 in [-1.0, 0x7FF0000000000000] : f32
  %y = scf.for %i = %c0 to %steps step %c1 iter_args(%v = %x) -> (tensor<?x4xf32>) {{
    ac.count "loop" 0 %rows {COUNTS}
    %first = tensor.extract %v[%c0, %c0] : tensor<?x4xf32>
    %goes = arith.cmpf olt, %first, %limit : f32
    %w = scf.if %goes -> (tensor<?x4xf32>) {{
      ac.count "loop" 1 %rows {COUNTS}
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
  return %y : tensor<?x4xf32>
}}
}}
"""


def zeros(n=2):
    return {"x": np.zeros((n, 4), np.float32)}


@pytest.fixture(scope="module")
def artefact(build, tmp_path_factory):
    import accordion

    folder = tmp_path_factory.mktemp("budgets")
    (folder / "model.mlir").write_text(MODEL)
    accordion.compile(folder / "model.mlir", output=folder / "model.so")
    return folder / "model.so"


@pytest.fixture
def session(artefact):
    import accordion

    return accordion.load(artefact, threads=1)


@pytest.fixture
def Error(build):
    import accordion

    return accordion.Error


def test_lists_budgets_and_sites(session):
    steps, limit = session.get_budgets()
    assert steps == ("steps", "i64", 3, 3, 0, 1000) and isinstance(steps.value, int)
    assert limit == ("limit", "f32", 2.5, 2.5, -1.0, math.inf) and limit.most == math.inf
    (loop,) = session.get_sites()
    assert loop.name == "loop" and loop.kind == "halting_loop"
    assert loop.counters == ["row-steps", "taken"] and loop.flops == [0, 4]


def test_set_budget_holds_for_later_runs(session):
    assert session.run(None, zeros())[0][0, 0] == 3
    session.set_budget("steps", 2)
    assert session.run(None, zeros())[0][0, 0] == 2 and session.run(None, zeros())[0][0, 0] == 2
    assert session.get_budgets()[0].value == 2 and session.get_budgets()[0].initial == 3
    session.set_budget("limit", np.float32(1))
    assert session.run(None, zeros())[0][0, 0] == 1


def test_budgets_of_one_run(session):
    session.set_budget("limit", math.inf)
    assert session.run(None, zeros(), budgets={"steps": 7})[0][0, 0] == 7
    assert session.stats()["budgets"] == {"steps": 7, "limit": math.inf}
    assert session.run(None, zeros(), budgets={})[0][0, 0] == 3
    assert session.stats()["budgets"] == {"steps": 3, "limit": math.inf}
    assert session.get_budgets()[0].value == 3


def test_budgets_are_those_of_a_session(artefact, session):
    import accordion

    other = accordion.load(artefact, threads=1)
    session.set_budget("steps", 1)
    assert other.run(None, zeros())[0][0, 0] == 3 and session.run(None, zeros())[0][0, 0] == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("step", 1, "the model has no budget `step`, did you mean `steps`?"),
        ("", 1, "the model has no budget ``"),
        ("steps", 1001, "`steps` was given 1001, expected a whole number from 0 to 1000"),
        ("steps", 1.5, "`steps` was given 1.5, expected a whole number from 0 to 1000"),
        ("limit", -2, r"`limit` was given -2, expected a number from -1 to inf"),
        ("limit", math.nan, "`limit` was given nan"),
    ],
)
def test_refuses_and_keeps_the_value(session, Error, name, value, message):
    with pytest.raises(Error, match=message.replace("?", r"\?")):
        session.set_budget(name, value)
    with pytest.raises(Error, match=message.replace("?", r"\?")):
        session.run(None, zeros(), budgets={name: value})
    assert [budget.value for budget in session.get_budgets()] == [3, 2.5]
    assert session.run(None, zeros())[0][0, 0] == 3


def test_refuses_what_is_no_number(session, Error):
    with pytest.raises(TypeError):
        session.set_budget("steps", "2")
    with pytest.raises(TypeError):
        session.run(None, zeros(), budgets={"steps": "2"})
    with pytest.raises(Error, match="keys of `budgets` are names, not 1"):
        session.run(None, zeros(), budgets={1: 2})
    with pytest.raises(TypeError):  # the place of ONNX Runtime's run options
        session.run(None, zeros(), {"steps": 2})


def test_stats(session):
    session.run(None, zeros(5))
    stats = session.stats()
    assert stats.pop("seconds") > 0
    assert stats == {
        "budgets": {"steps": 3, "limit": 2.5},
        "sites": {"loop": [15, 15]},
        "flops_done": 60,
        "flops_avoided": 0,
        "flops_unknown": False,
    }
    session.run(None, zeros(2), budgets={"steps": 10})
    stats = session.stats()
    assert stats["sites"] == {"loop": [20, 6]} and (stats["flops_done"], stats["flops_avoided"]) == (24, 56)


def test_stats_before_a_run_and_after_a_failure(session, Error):
    with pytest.raises(Error, match="this thread has not run the session"):
        session.stats()
    session.run(None, zeros())
    session.stats()
    with pytest.raises(Error, match="there is no first row"):
        session.run(None, zeros(0))
    with pytest.raises(Error, match="its last run failed"):
        session.stats()
    session.run(None, zeros())
    with pytest.raises(Error, match="is missing"):
        session.run(None, {})
    with pytest.raises(Error, match="its last run failed"):
        session.stats()


def test_stats_of_a_model_without_sites(build):
    import accordion
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "plain", value[:1], value[1:])
    session = accordion.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), threads=1)
    assert session.get_budgets() == [] and session.get_sites() == []
    session.run(None, {"x": np.ones(3, np.float32)})
    assert session.stats()["sites"] == {} and session.stats()["flops_done"] == 0
    with pytest.raises(accordion.Error, match="the model has no budgets, `k` cannot be set"):
        session.set_budget("k", 1)


def test_each_thread_sees_its_own_runs(session, Error):
    """Threads run at the same time with budgets and shapes of their own; none sees the counters of another."""
    wrong, start = [], threading.Barrier(4)

    def work(steps):
        start.wait()
        for n in range(1, 60):
            (y,) = session.run(None, zeros(n), budgets={"steps": steps, "limit": math.inf})
            stats = session.stats()
            if y[0, 0] != steps or stats["sites"] != {"loop": [n * steps] * 2} or stats["budgets"]["steps"] != steps:
                wrong.append((steps, n, stats))

    threads = [threading.Thread(target=work, args=(steps,)) for steps in (1, 5, 20, 80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with pytest.raises(Error, match="this thread has not run the session"):
        session.stats()
