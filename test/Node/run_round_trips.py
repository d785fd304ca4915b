#!/usr/bin/env python3
"""Takes every ONNX node test and real model to MLIR text and back: the result must answer as the original does.

    run_round_trips.py [--build build/release] [--match REGEX] [--no-real-models]

A node test that came back is run by the reference evaluator of the `onnx` package, or by ONNX Runtime where that fails
on the original too; where neither runs the original, the nodes of both are compared. Real models are run by ONNX
Runtime on their goldens. Ends with `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(REPOSITORY / "build_tools")]


def there_and_back(tools: Path, model: Path, folder: Path, timeout: float = 120) -> Path:
    text, result = folder / "model.mlir", folder / "model.onnx"
    for command in (
        [tools / "ac-translate", "--onnx-to-mlir", model, "-o", text],
        [tools / "ac-translate", "--mlir-to-onnx", text, "-o", result],
    ):
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no message"]
            raise RuntimeError(f"{command[1]} ended with status {done.returncode}: {lines[0][:300]}")
    return result


def answers(model, feeds):
    """Of the reference evaluator, else of ONNX Runtime, else None."""
    from onnx.reference import ReferenceEvaluator

    try:
        return ReferenceEvaluator(model).run(None, dict(feeds))
    except Exception:
        pass
    try:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        takes = {value.name for value in session.get_inputs()}
        return session.run(None, {name: array for name, array in feeds.items() if name in takes})
    except Exception:
        return None


def nodes(graph):
    return [(n.domain.replace("ai.onnx", "") if n.domain == "ai.onnx" else n.domain, n.op_type) for n in graph.node]


def check_case(arguments):
    """(name, None or what is wrong)."""
    name, case, tools, rtol, atol = arguments
    warnings.simplefilter("ignore")
    import numpy as np
    import onnx
    from node_cases import data_sets, difference, load_data

    np.seterr(all="ignore")
    try:
        original = onnx.load(case / "model.onnx")
        with tempfile.TemporaryDirectory(prefix="accordion-trip-") as folder:
            result = onnx.load(there_and_back(tools, case / "model.onnx", Path(folder)))
        onnx.checker.check_model(result)
        for side in ("input", "output"):
            before, after = ([v.name for v in getattr(m.graph, side)] for m in (original, result))
            if before != after:
                return name, f"{side}s are {after}, were {before}"
        for data in data_sets(case):
            feeds, want = load_data(original, data)
            before = answers(original, feeds)
            if before is None:
                if not original.functions and nodes(original.graph) != nodes(result.graph):
                    return name, f"nodes are {nodes(result.graph)}, were {nodes(original.graph)}"
                continue
            after = answers(result, feeds)
            if after is None:
                return name, "what came back does not run, the original does"
            # A random operator answers differently each time; its shape and type must stay.
            again = answers(original, feeds)
            if difference(again, before, 0, 0):
                before = [np.zeros_like(a) for a in before]
                after = [np.zeros_like(a) for a in after]
            reason = difference(after, before, rtol, atol)
            if reason:
                return name, reason
        return name, None
    except Exception as error:
        return name, f"{type(error).__name__}: {error}".splitlines()[0][:400]


def check_real(name, file, tools):
    import numpy as np
    import real_models

    place = real_models.FOLDER / name
    try:
        with tempfile.TemporaryDirectory(prefix="accordion-trip-", dir=place) as folder:
            run = real_models.onnx_runtime(there_and_back(tools, place / file, Path(folder), timeout=600), 2)
            for feeds, want in real_models.goldens(place, file):
                for i, (g, w) in enumerate(zip(run(feeds), want, strict=True)):
                    if g.shape != w.shape or not np.allclose(g, w, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(w).max(initial=0)))):
                        return f"output {i} differs"
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:400]
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--match", default=".")
    parser.add_argument("--no-real-models", action="store_true")
    options = parser.parse_args()

    import onnx
    from node_cases import load_index

    tools = options.build.resolve() / "bin"
    cases = REPOSITORY / "build" / "test" / f"node-{onnx.__version__}"
    chosen = [e for e in load_index(cases) if re.search(options.match, e["name"])]
    work = [(e["name"], cases / e["name"], tools, e["rtol"], e["atol"]) for e in chosen]
    passed = failed = 0

    def report(name, reason):
        nonlocal passed, failed
        passed, failed = passed + (reason is None), failed + (reason is not None)
        if reason:
            print(f"FAIL {name}: {reason}", flush=True)

    with mp.get_context("spawn").Pool(len(os.sched_getaffinity(0))) as pool:
        for name, reason in pool.imap_unordered(check_case, work, chunksize=8):
            report(name, reason)
    if not options.no_real_models:
        import real_models

        for model in real_models.MODELS.values():
            for file in model.files:
                if re.search(options.match, f"{model.name}/{file}"):
                    real_models.prepare([model.name])
                    report(f"{model.name}/{file}", check_real(model.name, file, tools))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
