"""Two ways to run a model: through the Python package in this process, or through the command-line tools."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from node_cases import load_data, read_value

REPOSITORY = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """The model was not compiled, or its run ended with an error; the text is the first error line."""


def error_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if "error" in line.lower():
            return line[:400]
    return lines[-1][:400] if lines else "no message"


class PackageEngine:
    def __init__(self, build: Path):
        sys.path.insert(0, str(build / "python"))
        import accordion

        self.accordion = accordion

    def run(self, case: Path, data: Path, model: onnx.ModelProto, timeout: float) -> list:
        feeds, _ = load_data(model, data)
        try:
            session = self.accordion.compile(str(case / "model.onnx"), threads=1)
            return session.run(None, feeds)
        except self.accordion.Error as error:
            raise Refused(error_line(str(error))) from None


class CommandEngine:
    def __init__(self, build: Path):
        self.tools = build / "bin"

    def _call(self, arguments: list, timeout: float) -> None:
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=timeout)
        if done.returncode < 0:
            raise Refused(f"{Path(arguments[0]).name} was ended by signal {-done.returncode}")
        if done.returncode:
            raise Refused(error_line(done.stderr))

    def run(self, case: Path, data: Path, model: onnx.ModelProto, timeout: float) -> list:
        with tempfile.TemporaryDirectory(prefix="accordion-node-") as folder:
            artefact, answers = Path(folder, "model.so"), Path(folder, "out")
            answers.mkdir()
            self._call([self.tools / "ac-compile", case / "model.onnx", "-o", artefact], timeout)
            self._call([self.tools / "ac-run", artefact, "--inputs", data, "--outputs", answers], timeout)
            return [self._read(answers, i, value.type) for i, value in enumerate(model.graph.output)]

    @staticmethod
    def _read(folder: Path, i: int, type_proto):
        if (folder / f"output_{i}.pb").exists():
            return read_value(folder / f"output_{i}.pb", type_proto)
        if not (folder / f"output_{i}.npy").exists():
            raise Refused(f"output {i} was not written")
        array = np.load(folder / f"output_{i}.npy")
        kind = onnx.helper.tensor_dtype_to_np_dtype(type_proto.tensor_type.elem_type)
        # Types that numpy lacks are stored as their bits.
        return array.view(kind) if array.dtype != kind and kind.type.__module__ != "numpy" else array


def make_engine(kind: str, build: Path):
    if kind == "auto":
        kind = "package" if list((build / "python" / "accordion").glob("_compiler*.so")) else "command"
    return PackageEngine(build) if kind == "package" else CommandEngine(build)
