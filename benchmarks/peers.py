"""The engines beside ONNX Runtime: where they are installed, and IREE's compiler, which runs before them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import onnx
from turns import REPOSITORY

PEERS = ("openvino", "iree")
VENV = REPOSITORY / "build" / "bench-venv"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

# Threads that spin on after a run would meet the next engine's turn: ONNX Runtime's do so for much longer than a pause.
SETTINGS = {"stop_spinning": True}

# The first that compiles is used. Without the last option some models end in an error about large vectors on the stack.
IREE_OPTIONS = [
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-opt-level=O3",
    "--iree-llvmcpu-fail-on-out-of-bounds-stack-allocation=false",
]
IREE_CHOICES = {
    "data tiling": [*IREE_OPTIONS, "--iree-opt-data-tiling", "--iree-llvmcpu-fail-on-large-vector=false"],
    "no data tiling": IREE_OPTIONS,
}


def install(say) -> str | None:
    """Makes the virtual environment of the peers where it is missing or old; returns why it could not."""
    wanted, marker = REQUIREMENTS.read_text(), VENV / "requirements.txt"
    if marker.exists() and marker.read_text() == wanted:
        return None
    say(f"installing OpenVINO and IREE into {os.path.relpath(VENV, REPOSITORY)}")
    shutil.rmtree(VENV, ignore_errors=True)
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS]
    for command in ([sys.executable, "-m", "venv", VENV], pip):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            return f"could not be installed: {lines[-1][:200]}"
    marker.write_text(wanted)
    return None


def python_of(engine):
    return str(VENV / "bin" / "python") if engine in PEERS else sys.executable


def _run(command, limit):
    """(status, what it said); a command that has not ended by then is ended with its children."""
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=limit)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, f"not done in {limit:.0f} s"


def _reason(said):
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no message"]
    return next((line for line in lines if "rror" in line), lines[-1])[:200]


def compile_iree(model: Path, limit: float) -> Path:
    """The module of a model, kept beside it; so is the reason why there is none, as long as the limit is not raised."""
    target, failed = model.with_suffix(".vmfb"), model.with_suffix(".iree-failed.json")
    newer = lambda file: file.exists() and file.stat().st_mtime > model.stat().st_mtime
    if newer(target):
        return target
    if newer(failed) and (kept := json.loads(failed.read_text()))["limit"] >= limit:
        raise RuntimeError(kept["reason"])
    target.unlink(missing_ok=True)
    graph = onnx.load(model, load_external_data=False).graph
    model.with_suffix(".inputs.json").write_text(json.dumps([value.name for value in graph.input]))
    source, reasons = model.with_suffix(".iree.mlir"), []
    command = [python_of("iree"), "-m", "iree.compiler.tools.import_onnx", model, "-o", source]
    status, said = _run([*command, "--externalize-params", "--save-params-to", model.with_suffix(".irpa")], limit)
    if status:
        reasons.append(f"import: {_reason(said)}")
    elif status is None:
        reasons.append(f"import: {said}")
    else:
        for name, options in IREE_CHOICES.items():
            status, said = _run([VENV / "bin" / "iree-compile", source, "-o", target, *options], limit)
            if status == 0:
                source.unlink()
                return target
            target.unlink(missing_ok=True)
            reasons.append(f"compile with {name}: {said if status is None else _reason(said)}")
            if status is None:
                break  # the other choice takes about as long
    reason = "; ".join(reasons)
    failed.write_text(json.dumps({"limit": limit, "reason": reason}))
    raise RuntimeError(reason)


def versions(engines):
    packages = {"openvino": "openvino", "iree": "iree-base-compiler"}
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    names = [packages[engine] for engine in engines]
    said = subprocess.run([python_of("iree"), "-c", code, *names], capture_output=True, text=True, check=True).stdout
    return dict(zip(engines, said.split()))
