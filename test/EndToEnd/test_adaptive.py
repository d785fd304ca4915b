"""Models that compute as much as they need: the numbers of ONNX Runtime on every path, for any thread count."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from adaptive import ADAPTIVE
from conftest import assert_as_onnx_runtime


@pytest.fixture(scope="module", params=ADAPTIVE)
def case(request):
    model, feeds = ADAPTIVE[request.param]()
    onnx.checker.check_model(model, full_check=True)
    return model, feeds


def test_agrees_with_onnx_runtime(case, accordion, tmp_path):
    model, feeds = case
    assert_as_onnx_runtime(accordion, model, feeds, tmp_path)


def test_same_bits_for_any_thread_count(case, accordion, tmp_path):
    model, feeds = case
    sessions = [accordion.compile(model, threads=n) for n in (1, 2, 3)]
    for feed in feeds:
        first, *others = [session.run(None, feed) for session in sessions]
        for other in others:
            assert all(a.tobytes() == b.tobytes() for a, b in zip(first, other))


def test_same_bits_run_after_run(case, accordion):
    """Memory kept from one run must not show in the next, whatever the shapes between them."""
    model, feeds = case
    session = accordion.compile(model, threads=2)
    first = [session.run(None, feed) for feed in feeds]
    for _ in range(3):
        for feed, want in zip(reversed(feeds), reversed(first)):
            assert all(a.tobytes() == b.tobytes() for a, b in zip(session.run(None, feed), want))


def test_work_not_taken_costs_nothing(accordion):
    """A loop that stops at once must not take the time of one that runs long."""
    import time

    from adaptive import WIDTH, counted_loop

    model, _ = counted_loop()
    session = accordion.compile(model, threads=1)
    x = np.ones((256, WIDTH), np.float32)

    def seconds(count):
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            session.run(None, {"x": x, "count": np.array(count)})
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(0) * 10 < seconds(1000)
