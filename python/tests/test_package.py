"""The Python package: compile, load, run, and what it says when something is wrong."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper


def model(kind=TensorProto.FLOAT, dims=("n", 4), operator="Add"):
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["sum"]), helper.make_node("Neg", ["sum"], ["minus"])],
        "small",
        [helper.make_tensor_value_info(name, kind, dims) for name in "ab"],
        [helper.make_tensor_value_info(name, kind, dims) for name in ("minus", "sum")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def accordion():
    import accordion

    return accordion


@pytest.fixture(scope="module")
def session(accordion):
    return accordion.compile(model(), threads=2)


def ones(n=3, kind=np.float32):
    return {"a": np.ones((n, 4), kind), "b": np.full((n, 4), 2, kind)}


def test_import_is_light(build):
    code = "import accordion, sys; print([m for m in ('numpy', 'onnx', 'accordion._compiler') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(build / "python")})
    assert done.stdout.strip() == "[]", done.stderr


def test_inputs_and_outputs(session):
    assert session.get_inputs() == [("a", "tensor(float)", ["n", 4]), ("b", "tensor(float)", ["n", 4])]
    assert [value.name for value in session.get_outputs()] == ["minus", "sum"]


def test_all_outputs_in_graph_order(session):
    minus, total = session.run(None, ones())
    assert (minus == -3).all() and (total == 3).all() and total.shape == (3, 4) and total.dtype == np.float32


def test_named_outputs_in_the_order_asked_for(session):
    (total,) = session.run(["sum"], ones())
    assert (total == 3).all()
    total, minus = session.run(["sum", "minus"], ones())
    assert (total == -minus).all()


def test_outputs_are_not_overwritten_by_the_next_run(session):
    first = session.run(None, ones())
    session.run(None, {"a": np.zeros((3, 4), np.float32), "b": np.zeros((3, 4), np.float32)})
    assert (first[1] == 3).all()


def test_zero_rows(session):
    assert [array.shape for array in session.run(None, ones(0))] == [(0, 4), (0, 4)]


def test_arrays_that_are_not_contiguous(session):
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    a, b = x.T[:, ::-1][:3], x[:3, ::2][:, [0, 1, 2, 0]]
    (total,) = session.run(["sum"], {"a": a, "b": b})
    assert np.array_equal(total, a + b)


def test_arrays_that_are_read_only(session):
    feeds = ones()
    for array in feeds.values():
        array.flags.writeable = False
    assert (session.run(None, feeds)[1] == 3).all()


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "int32", "int64"])
def test_types(accordion, kind):
    session = accordion.compile(model(helper.np_dtype_to_tensor_dtype(np.dtype(kind))), threads=1)
    minus, total = session.run(None, ones(2, kind))
    assert total.dtype == kind and (total == 3).all() and (minus == -3).all()


def test_bfloat16(accordion):
    import ml_dtypes

    session = accordion.compile(model(TensorProto.BFLOAT16), threads=1)
    minus, total = session.run(None, ones(2, ml_dtypes.bfloat16))
    assert total.dtype == ml_dtypes.bfloat16 and (total == 3).all() and (minus == -3).all()


def test_scalars_have_rank_zero(accordion):
    session = accordion.compile(model(dims=()), threads=1)
    minus, total = session.run(None, {"a": np.array(1, np.float32), "b": np.float32(2)})
    assert total.shape == () and total == 3 and minus == -3


def test_fixed_dimension(accordion):
    session = accordion.compile(model(), dims={"n": 2}, threads=1)
    assert session.get_inputs()[0].shape == [2, 4]
    with pytest.raises(accordion.Error, match="`a`"):
        session.run(None, ones(3))


def test_path_bytes_and_model_are_the_same(accordion, tmp_path):
    onnx.save(model(), tmp_path / "model.onnx")
    for form in (tmp_path / "model.onnx", str(tmp_path / "model.onnx"), model().SerializeToString(), model()):
        assert (accordion.compile(form, threads=1).run(["sum"], ones())[0] == 3).all()


def test_kept_output_loads(accordion, tmp_path):
    accordion.compile(model(), output=tmp_path / "model.so")
    assert (accordion.load(tmp_path / "model.so").run(["sum"], ones())[0] == 3).all()


def test_text_forms_are_written_and_not_opened(accordion, tmp_path):
    assert accordion.compile(model(), output=tmp_path / "model.ll") is None
    assert "define" in (tmp_path / "model.ll").read_text()


def test_no_such_file(accordion, tmp_path):
    with pytest.raises(accordion.Error, match="absent.onnx"):
        accordion.compile(tmp_path / "absent.onnx")
    with pytest.raises(accordion.Error, match="absent.so"):
        accordion.load(tmp_path / "absent.so")


def test_unknown_option(accordion):
    with pytest.raises(TypeError, match="speed"):
        accordion.compile(model(), speed="more")


def test_unknown_target(accordion):
    with pytest.raises(accordion.Error, match="z80"):
        accordion.compile(model(), march="z80")


def test_threads_of_the_caller(session):
    """One session, several threads at a time, each with its own shape."""
    wrong = []

    def work(n):
        for _ in range(200):
            (total,) = session.run(["sum"], ones(n))
            if total.shape != (n, 4) or not (total == 3).all():
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 5, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_lock_is_free_while_running(accordion):
    """Another thread goes on while a model runs."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "x"], ["y"])],
        "large",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "n"])],
    )
    session = accordion.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), threads=1)
    x, counts, done = np.ones((1500, 1500), np.float32), [], threading.Event()

    def count():
        n = 0
        while not done.is_set():
            n += 1
            done.wait(1e-4)
        counts.append(n)

    thread = threading.Thread(target=count)
    thread.start()
    session.run(None, {"x": x})
    done.set()
    thread.join()
    assert counts[0] > 5


class TestBackend:
    def test_prepare_and_run(self, accordion):
        from accordion import backend

        (minus, total) = backend.prepare(model()).run([*ones().values()])
        assert (total == 3).all() and (minus == -3).all()

    def test_run_node(self):
        from accordion import backend

        node = helper.make_node("Mul", ["a", "b"], ["c"])
        (c,) = backend.run_node(node, [np.full(3, 2, np.float32), np.full(3, 4, np.float32)])
        assert (c == 8).all()

    def test_devices(self):
        from accordion import backend

        assert backend.supports_device("CPU") and not backend.supports_device("CUDA:0")

    def test_of_onnx_itself(self):
        """A handful of the package's own node tests through its own runner."""
        import unittest

        import onnx.backend.test
        from accordion import backend

        tests = onnx.backend.test.BackendTest(backend, __name__)
        tests.include(r"^test_(relu|matmul_2d|softmax_axis_0|reshape_zero_dim)_cpu$")
        suite = tests.test_suite
        result = unittest.TextTestRunner(verbosity=0).run(suite)
        assert result.wasSuccessful() and result.testsRun - len(result.skipped) >= 4
