#!/usr/bin/env python3
"""Runs the ONNX node tests and holds them against test/Node/expected.json.

A test of that list that does not pass is a regression and fails the run; a test outside it may fail, and its reason
goes to the table of operators. Exit status 1 when there is a regression.

    run_node_tests.py                           all of them, against the release build
    run_node_tests.py --match 'gather|scatter'  those whose name contains a match, failures listed
    run_node_tests.py --update                  all, and the list becomes what passes now
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import re
import sys
import time
import warnings
from collections import deque
from multiprocessing.connection import wait
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(HERE))


def work(pipe, kind: str, build: str, cases: str, timeout: float) -> None:
    """A worker: takes index entries, answers None or the reason of failure."""
    warnings.simplefilter("ignore")
    import onnx
    from engines import Refused, make_engine
    from node_cases import data_sets, difference, load_data

    engine = make_engine(kind, Path(build))
    while True:
        entry = pipe.recv()
        case = Path(cases, entry["name"])
        reason = None
        try:
            model = onnx.load(case / "model.onnx")
            for data in data_sets(case):
                _, want = load_data(model, data)
                got = engine.run(case, data, model, timeout)
                reason = difference(got, want, entry["rtol"], entry["atol"])
                if reason:
                    break
        except Refused as error:
            reason = str(error)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:400]
        pipe.send(reason)


class Worker:
    """A process of its own for the tests, since a test may end it or keep it for ever."""

    def __init__(self, arguments):
        self.arguments, self.process, self.entry = arguments, None, None

    def start(self):
        context = mp.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, *self.arguments), daemon=True)
        self.process.start()
        other.close()

    def give(self, entry):
        if self.process is None:
            self.start()
        self.entry, self.began = entry, time.monotonic()
        self.pipe.send(entry)

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None


def run_all(entries, jobs: int, timeout: float, arguments, report) -> dict:
    """Runs every entry; returns name → None or reason."""
    queue, results = deque(entries), {}
    workers = [Worker((*arguments, timeout)) for _ in range(min(jobs, max(1, len(queue))))]

    def finish(worker, reason):
        results[worker.entry["name"]] = reason
        report(worker.entry["name"], reason, len(results))
        worker.entry = None

    try:
        while queue or any(w.entry for w in workers):
            for worker in workers:
                if worker.entry is None and queue:
                    worker.give(queue.popleft())
            busy = [w for w in workers if w.entry]
            ready = set(wait([w.pipe for w in busy], timeout=0.2))
            for worker in busy:
                if worker.pipe in ready:
                    try:
                        reason = worker.pipe.recv()
                    except (EOFError, ConnectionError):
                        worker.process.join()
                        reason = f"crash: the process ended with status {worker.process.exitcode}"
                        worker.end()
                    finish(worker, reason)
                elif time.monotonic() - worker.began > timeout + 5:
                    worker.end()
                    finish(worker, f"timeout: more than {timeout:.0f} s")
    finally:
        for worker in workers:
            worker.end()
    return results


def operator_table(index, results) -> str:
    """Markdown: for each operator how many tests of it pass, and why the others do not."""
    from node_cases import base_name

    own = {e["name"]: e["operators"] for e in index}
    rows: dict[str, dict] = {}
    for entry in index:
        name = entry["name"]
        expanded = base_name(name) != name
        # A test of a function body counts for the operator that has this body.
        for operator in own.get(base_name(name), entry["operators"]):
            row = rows.setdefault(operator, {"direct": [0, 0], "expanded": [0, 0], "reasons": {}})
            count = row["expanded" if expanded else "direct"]
            count[1] += 1
            if results[name] is None:
                count[0] += 1
            else:
                reason = re.sub(r"^\S*error: |^\S*\.onnx:? ?", "", results[name])
                reason = re.sub(r"(/\S+)+/", "", reason).replace("|", "\\|")[:160]
                row["reasons"].setdefault(reason, name)
    passed = sum(results[e["name"]] is None for e in index)
    full = sum(all(c[0] == c[1] for c in (r["direct"], r["expanded"])) for r in rows.values())
    lines = [
        "# Supported ONNX operators",
        "",
        "Written by `test/Node/run_node_tests.py --update`; do not edit.",
        "",
        f"{passed} of {len(index)} ONNX node tests pass; {full} of {len(rows)} operators pass all of theirs. *Direct* are",
        "tests of the operator itself, *as function* those in which its body stands in its place.",
        "",
        "| Operator | Direct | As function | Why not |",
        "|---|---:|---:|---|",
    ]
    for operator in sorted(rows, key=str.lower):
        row = rows[operator]
        cell = lambda c: f"{c[0]} / {c[1]}" if c[1] else "–"
        reasons = "<br>".join(list(row["reasons"])[:3])
        lines.append(f"| {operator} | {cell(row['direct'])} | {cell(row['expanded'])} | {reasons} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release", help="build folder to test")
    parser.add_argument("--cases", type=Path, help="where the tests are, or are to be written")
    parser.add_argument("--engine", choices=["auto", "package", "command"], default="auto")
    parser.add_argument("--match", help="only tests whose name contains a match of this expression")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one test")
    parser.add_argument("--json", type=Path, help="write name → reason (null: passed) here")
    parser.add_argument("--update", action="store_true", help="rewrite expected.json and docs/generated/operators.md")
    parser.add_argument("--list", action="store_true", help="list each failing test with its reason")
    options = parser.parse_args()

    import onnx
    from node_cases import load_index

    cases = options.cases or REPOSITORY / "build" / "test" / f"node-{onnx.__version__}"
    index = load_index(cases)
    chosen = [e for e in index if not options.match or re.search(options.match, e["name"])]
    expected_file = HERE / "expected.json"
    expected = set(json.loads(expected_file.read_text())) if expected_file.exists() else set()
    listing = options.list or bool(options.match)
    terminal = sys.stderr.isatty()

    def report(name, reason, done):
        if reason is not None and (listing or (name in expected and not options.update)):
            print(f"{'REGRESSION ' if name in expected else ''}{name}: {reason}", flush=True)
        if terminal:
            end = "\n" if done == len(chosen) else ""
            print(f"\r{done}/{len(chosen)} {name:<60.60}", end=end, file=sys.stderr, flush=True)

    arguments = (options.engine, str(options.build), str(cases))
    results = run_all(chosen, options.jobs, options.timeout, arguments, report)
    passing = sorted(n for n, reason in results.items() if reason is None)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(dict(sorted(results.items())), indent=0) + "\n")
    if options.update and not options.match:
        expected_file.write_text(json.dumps(passing, indent=0) + "\n")
        table = REPOSITORY / "docs" / "generated" / "operators.md"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(operator_table(index, results))
        expected = set(passing)
    regressions = sorted(n for n in results if n in expected and results[n] is not None)
    print(f"{len(passing)} of {len(results)} node tests pass, {len(regressions)} regressions")
    print(f"{len(passing)} passed, {len(regressions)} failed")
    return 1 if regressions else 0


if __name__ == "__main__":
    sys.exit(main())
