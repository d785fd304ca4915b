"""Engines in processes of their own that take turns, and what is said about the machine under their times."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent

# An engine's threads may still spin after a run; the other's turn starts when they have stopped.
PAUSE = 0.01
# Runs shorter than this are measured in groups, since reading the clock and Python cost a few microseconds.
GROUP = 0.002
# A run that takes longer has hung.
LIMIT = 300.0


class Worker:
    """`worker.py` with one engine and one model. Whatever it cannot do is a RuntimeError with one line of reason."""

    def __init__(self, engine, model, threads, build, python=sys.executable, settings=None):
        self.engine, self.runs, self.feeds, self.failure = engine, 1, [], None
        self.resident = None  # bytes behind the last measurement
        self._errors = tempfile.TemporaryFile()
        environment = {**os.environ, "PYTHONPATH": str(build / "python")} if engine == "accordion" else None
        command = [python, HERE / "worker.py", engine, model, threads, json.dumps(settings or {})]
        self.process = subprocess.Popen(
            list(map(str, command)),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.opened = self._answer()["open_s"]

    def _answer(self):
        try:
            return self._read()
        except RuntimeError as error:
            self.failure = str(error)
            raise

    def _read(self):
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.kill()
            if not ready:
                raise RuntimeError(f"no answer in {LIMIT:.0f} s")
            self._errors.seek(0)
            said = [text for text in self._errors.read().decode(errors="replace").splitlines() if text.strip()]
            raise RuntimeError(said[-1][:200] if said else f"the process ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def measure(self, save=None):
        """Seconds of one run, and with `save` the sums of the answers, which go to that file."""
        try:
            request = {"feeds": list(map(str, self.feeds)), "runs": self.runs, "save": save and str(save)}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died; reading its answer says why
        answer = self._answer()
        self.resident = answer["resident_bytes"]
        return (answer["seconds"], answer["sums"]) if save else answer["seconds"]

    def settle(self):
        """Warms up and finds how many runs make a measurement: a multiple of the feeds, so that each counts the same."""
        self.runs = len(self.feeds)
        seconds = self.measure()
        self.runs *= max(1, math.ceil(GROUP / max(seconds * self.runs, 1e-7)))
        self.measure()

    def close(self):
        """Ends the process and returns its peak resident memory."""
        self.process.stdin.close()
        memory = self._answer()["peak_bytes"]
        self.process.wait()
        return memory

    def kill(self):
        self.process.kill()
        self.process.wait()


def take_turns(workers, pairs, least_seconds):
    """Seconds of each worker in every round, in which all have one turn. There are at least `pairs` rounds, and up to
    ten times as many until `least_seconds` have gone by."""
    samples, start = {key: [] for key in workers}, time.monotonic()
    rounds = 0
    while rounds < pairs or (time.monotonic() - start < least_seconds and rounds < 10 * pairs):
        for key, worker in workers.items():
            time.sleep(PAUSE)
            samples[key].append(worker.measure())
        rounds += 1
    return samples


def waiting():
    """Seconds in which some process of the machine waited for a core; None where the kernel does not say."""
    try:
        with open("/proc/pressure/cpu") as file:
            return int(re.search(r"some.*total=(\d+)", file.read())[1]) * 1e-6
    except OSError:
        return None


def compile_model(build, model, target, *flags, **environment):
    start = time.perf_counter()
    command = [build / "bin" / "ac-compile", model, "-o", target, *flags]
    # Nothing comes from an earlier compilation, unless the caller says where from.
    environment = {**os.environ, "ACCORDION_CACHE_DIR": "", **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        raise RuntimeError(f"ac-compile: {errors[0][:200] if errors else f'ended with status {done.returncode}'}")
    return time.perf_counter() - start


def machine():
    import onnxruntime

    with open("/proc/cpuinfo") as file:
        info = file.read()
    found = re.search(r"model name\s*: (.*)", info)
    flags = set(re.search(r"flags\s*: (.*)", info)[1].split()) if "flags" in info else set()
    widest = next((f for f in ("avx512f", "avx2", "avx") if f in flags), "baseline")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True
    ).stdout.strip()
    return {
        "processor": found[1] if found else platform.machine(),
        "vectors": widest,
        "cores": len(os.sched_getaffinity(0)),
        "onnxruntime": onnxruntime.__version__,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "command": "python " + " ".join([os.path.relpath(sys.argv[0], REPOSITORY), *sys.argv[1:]]),
    }
