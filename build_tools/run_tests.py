#!/usr/bin/env python3
"""Runs every suite against a build and adds them up.

    run_tests.py --build build/release [--only unit,lit,python,end-to-end,node,round-trip]

The last line is `N passed, N failed`; exit status 1 if anything failed. Full logs are in <build>/test-results.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
VENV = Path(sys.executable).parent
CORES = len(os.sched_getaffinity(0))


@dataclass
class Result:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)


def read_junit(file: Path) -> Result:
    """Counts of a JUnit file, in which lit, ctest and pytest all report."""
    result = Result()
    for case in xml.parse(file).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            result.failed += 1
            result.failures.append(name)
        elif case.find("skipped") is not None:
            result.skipped += 1
        else:
            result.passed += 1
    return result


def read_last_line(log: Path, status: int) -> Result:
    """`N passed, N failed` at the end of a log, with the lines that begin with FAIL or REGRESSION."""
    lines = log.read_text(errors="replace").splitlines()
    counts = [re.fullmatch(r"(\d+) passed, (\d+) failed", line.strip()) for line in lines[-3:]]
    counts = [c for c in counts if c]
    if not counts:
        return Result(failed=1, failures=[f"ended with status {status} before its end, see {log}"])
    failures = [line for line in lines if line.startswith(("FAIL", "REGRESSION"))]
    return Result(int(counts[-1][1]), int(counts[-1][2]), 0, failures)


class Suites:
    def __init__(self, build: Path):
        self.build = build.resolve()
        self.results = self.build / "test-results"
        self.results.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ,
            "PATH": f"{VENV}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.build / "python"),
            # A test must not depend on the order of a set, nor leave compiled files in the tree.
            "PYTHONDONTWRITEBYTECODE": "1",
            # Nor pass because of what was compiled before.
            "ACCORDION_CACHE_DIR": "",
        }

    def _run(self, name: str, command: list) -> tuple[int, Path, Path]:
        log, report = self.results / f"{name}.log", self.results / f"{name}.xml"
        report.unlink(missing_ok=True)
        command = [str(part).replace("REPORT", str(report)) for part in command]
        with open(log, "w") as file:
            status = subprocess.run(
                command, cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            ).returncode
        return status, log, report

    def _junit(self, name: str, command: list) -> Result:
        status, log, report = self._run(name, command)
        if not report.exists():
            return Result(failed=1, failures=[f"did not run, see {log}"])
        result = read_junit(report)
        # 5 is pytest's word for no tests.
        if status not in (0, 5) and not result.failed:
            result.failed, result.failures = 1, [f"ended with status {status}, see {log}"]
        return result

    def unit(self) -> Result:
        return self._junit("unit", [VENV / "ctest", "--test-dir", self.build, "-j", CORES, "--timeout", 300, "--output-junit", "REPORT"])

    def lit(self) -> Result:
        return self._junit("lit", [VENV / "lit", self.build / "test", "-v", "--max-time", 1200, "--xunit-xml-output", "REPORT"])

    def _pytest(self, name: str, folder: str, *more) -> Result:
        options = ["-p", "no:cacheprovider", "--build", self.build, "--junitxml", "REPORT", "-ra", "--durations=15", *more]
        return self._junit(name, [sys.executable, "-m", "pytest", folder, *options])

    def python(self) -> Result:
        return self._pytest("python", "python/tests")

    def end_to_end(self) -> Result:
        # Whole files, since many compile what their tests share.
        return self._pytest("end-to-end", "test/EndToEnd", "-n", CORES, "--dist", "loadfile")

    def node(self) -> Result:
        script = REPOSITORY / "test" / "Node" / "run_node_tests.py"
        status, log, _ = self._run("node", [sys.executable, script, "--build", self.build, "--json", self.results / "node.json"])
        return read_last_line(log, status)

    def round_trip(self) -> Result:
        script = REPOSITORY / "test" / "Node" / "run_round_trips.py"
        status, log, _ = self._run("round-trip", [sys.executable, script, "--build", self.build])
        return read_last_line(log, status)


SUITES = ["unit", "lit", "python", "end-to-end", "round-trip", "node"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--only", default=",".join(SUITES), help="suites, separated by commas")
    options = parser.parse_args()
    chosen = options.only.split(",")
    unknown = set(chosen) - set(SUITES)
    if unknown:
        parser.error(f"no suite {unknown.pop()!r}; there are {', '.join(SUITES)}")

    suites, total = Suites(options.build), Result()
    print(f"{'suite':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}", flush=True)
    for name in SUITES:
        if name not in chosen:
            continue
        start = time.monotonic()
        try:
            result = getattr(suites, name.replace("-", "_"))()
        except Exception as error:  # a suite that cannot start is a failure, and the others still run
            result = Result(failed=1, failures=[f"{type(error).__name__}: {error}"])
        seconds = time.monotonic() - start
        print(f"{name:<12} {result.passed:>7} {result.failed:>7} {result.skipped:>8} {seconds:>8.0f}", flush=True)
        total.passed += result.passed
        total.failed += result.failed
        total.failures += [f"{name}: {failure}" for failure in result.failures]
    for failure in total.failures[:100]:
        print(f"FAILED {failure}")
    if total.failed:
        print(f"logs: {suites.results}")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
