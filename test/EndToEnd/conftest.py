"""What the end-to-end tests share: the build under test, compiled models, comparison with ONNX Runtime.

    pytest test/EndToEnd --build build/release
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "build_tools"))
# A test compiles what it says it compiles, and leaves nothing in the user's folder.
os.environ["ACCORDION_CACHE_DIR"] = ""


def pytest_addoption(parser):
    parser.addoption("--build", type=Path, default=REPOSITORY / "build" / "release", help="build folder to test")


def pytest_configure(config):
    sys.path.insert(0, str(config.getoption("--build").resolve() / "python"))


class Tools:
    """The command-line tools of the build."""

    def __init__(self, build: Path):
        self.bin = build.resolve() / "bin"

    def run(self, tool, *arguments, timeout=300, **options) -> subprocess.CompletedProcess:
        """Runs a tool of the build, or a program by its path."""
        program = tool if isinstance(tool, Path) else self.bin / tool
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, **options)

    def succeed(self, tool, *arguments, **options) -> str:
        done = self.run(tool, *arguments, **options)
        assert done.returncode == 0, f"{tool} ended with {done.returncode}: {done.stderr[-2000:]}"
        return done.stdout

    def refuse(self, tool, *arguments, **options) -> str:
        """The tool must end with status 1 and one error; returns what it said."""
        done = self.run(tool, *arguments, **options)
        assert done.returncode == 1, f"{tool} ended with {done.returncode}: {done.stderr[-2000:]}"
        assert "error: " in done.stderr, done.stderr
        return done.stderr


@pytest.fixture(scope="session")
def tools(request) -> Tools:
    return Tools(request.config.getoption("--build"))


@pytest.fixture(scope="session")
def accordion(tools):
    import accordion

    return accordion


def furthest(got, want) -> float:
    """The largest difference of any output, relative to the largest value of that output; shapes and types agree."""
    assert len(got) == len(want)
    worst = 0.0
    for i, (g, w) in enumerate(zip(got, want)):
        assert g.shape == w.shape and g.dtype == w.dtype, f"output {i}: {g.dtype} {g.shape}, expected {w.dtype} {w.shape}"
        if not w.size:
            continue
        if w.dtype.kind in "biu":
            assert np.array_equal(g, w), f"output {i}: {np.sum(g != w)} of {w.size} differ"
            continue
        assert np.array_equal(np.isfinite(g), np.isfinite(w)), f"output {i}: not finite where it should be"
        finite = np.isfinite(w)
        if finite.any():
            peak = max(float(np.abs(w[finite]).max()), 1e-30)
            worst = max(worst, float(np.abs(g[finite].astype(np.float64) - w[finite]).max()) / peak)
    return worst


def assert_as_onnx_runtime(accordion, model, feeds, tmp_path, tolerance=1e-5):
    """Compiled for one thread, the model gives the numbers of ONNX Runtime for each of the feeds."""
    import onnx
    import real_models

    onnx.save(model, tmp_path / "model.onnx")
    reference, session = real_models.onnx_runtime(tmp_path / "model.onnx"), accordion.compile(model, threads=1)
    for feed in feeds:
        assert furthest(session.run(None, feed), reference(feed)) < tolerance
