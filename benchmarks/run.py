#!/usr/bin/env python3
"""Measures Accordion against ONNX Runtime, both at their best settings, interleaved in one run.

    run.py [--build build/release] [--only REGEX] [--threads 1,2] [--pairs N]

Each engine has a process of its own for each benchmark and thread count; they take turns, so that whatever else the
machine does meets both. A time is the median of at least 20; speed is ONNX Runtime's time over ours. Results go to
build/bench/results.json and build/bench/results.md. What is measured is in benchmarks.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path.insert(0, str(REPOSITORY / "build_tools"))
import real_models  # noqa: E402
from real_models.graph import FLOAT, Graph  # noqa: E402

# An engine's threads may still spin after a run; the other's turn starts when they have stopped.
PAUSE = 0.01
# Runs shorter than this are measured in groups, since reading the clock and Python cost a few microseconds.
GROUP = 0.002


class Engine:
    def __init__(self, name, model, feeds, threads, build):
        command = [sys.executable, str(HERE / "worker.py"), name, str(model), str(feeds), str(threads)]
        environment = {**os.environ, "PYTHONPATH": str(build / "python")}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.first = json.loads(self._answer())
        self.runs = 1

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            errors = [e for e in self.process.stderr.read().splitlines() if e.strip()]
            raise RuntimeError(errors[-1][:200] if errors else "the process ended")
        return line

    def measure(self):
        self.process.stdin.write(f"{self.runs}\n")
        self.process.stdin.flush()
        return float(self._answer())

    def close(self):
        self.process.stdin.close()
        memory = int(self._answer())
        self.process.wait()
        return memory


def gemm_model(m, k, n):
    rng, g = np.random.default_rng(m), Graph()
    g("MatMul", "x", (rng.standard_normal((k, n)) / np.sqrt(k)).astype(np.float32), outputs="y")
    model = g.model("gemm", {"x": (FLOAT, [m, k])}, {"y": (FLOAT, [m, n])}, opset=17, ir=8)
    return model, {"x": rng.standard_normal((m, k)).astype(np.float32)}


def collect(config, folder, only):
    """(name, model file, feeds file) of what is to be measured."""
    import onnx

    gemm = config["gemm"]
    for m in gemm["m"]:
        name = f"gemm {m}x{gemm['k']}x{gemm['n']}"
        if re.search(only, name):
            model, feeds = gemm_model(m, gemm["k"], gemm["n"])
            stem = name.replace(" ", "-")
            onnx.save(model, folder / f"{stem}.onnx")
            np.savez(folder / f"{stem}.npz", **feeds)
            yield name, folder / f"{stem}.onnx", folder / f"{stem}.npz"
    for entry in config["models"]:
        if not re.search(only, entry["name"]):
            continue
        directory, file = entry["model"].split("/")
        real_models.prepare([directory])
        feeds, _ = list(real_models.goldens(real_models.FOLDER / directory, file))[entry["golden"]]
        path = folder / f"{entry['name'].replace(' ', '-')}.npz"
        np.savez(path, **feeds)
        yield entry["name"], real_models.FOLDER / directory / file, path


def compile_model(build, model, target):
    start = time.perf_counter()
    done = subprocess.run([build / "bin" / "ac-compile", model, "-o", target], capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
        raise RuntimeError(f"ac-compile: {errors[0][:200]}")
    return time.perf_counter() - start


def measure(name, model, artefact, feeds, threads, build, pairs, least_seconds):
    theirs = Engine("onnxruntime", model, feeds, threads, build)
    ours = Engine("accordion", artefact, feeds, threads, build)
    try:
        for engine in (theirs, ours):
            time.sleep(PAUSE)
            engine.runs = max(1, math.ceil(GROUP / max(engine.measure(), 1e-7)))
            engine.measure()
        samples, start = {"ours": [], "theirs": []}, time.monotonic()
        while len(samples["ours"]) < pairs or (time.monotonic() - start < least_seconds and len(samples["ours"]) < 10 * pairs):
            for key, engine in (("theirs", theirs), ("ours", ours)):
                time.sleep(PAUSE)
                samples[key].append(engine.measure())
        agree = all(math.isclose(a, b, rel_tol=1e-2, abs_tol=1e-2) for a, b in zip(ours.first["sum"], theirs.first["sum"]))
        memory = {"theirs": theirs.close(), "ours": ours.close()}
    finally:
        for engine in (theirs, ours):
            engine.process.kill()
    median = {key: statistics.median(values) for key, values in samples.items()}
    return {
        "name": name,
        "threads": threads,
        "ours_s": median["ours"],
        "onnxruntime_s": median["theirs"],
        "speed": median["theirs"] / median["ours"],
        "fastest_ours_s": min(samples["ours"]),
        "fastest_onnxruntime_s": min(samples["theirs"]),
        "pairs": len(samples["ours"]),
        "peak_ours_bytes": memory["ours"],
        "peak_onnxruntime_bytes": memory["theirs"],
        "memory": memory["ours"] / memory["theirs"],
        "sums_agree": agree,
    }


def machine():
    import onnxruntime

    with open("/proc/cpuinfo") as file:
        info = file.read()
    found = re.search(r"model name\s*: (.*)", info)
    flags = set(re.search(r"flags\s*: (.*)", info)[1].split()) if "flags" in info else set()
    widest = next((f for f in ("avx512f", "avx2", "avx") if f in flags), "baseline")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()
    return {
        "processor": found[1] if found else platform.machine(),
        "vectors": widest,
        "cores": len(os.sched_getaffinity(0)),
        "onnxruntime": onnxruntime.__version__,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "command": "python " + " ".join([os.path.relpath(sys.argv[0], REPOSITORY), *sys.argv[1:]]),
    }


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def table(facts, results, compiled, failures):
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, {facts['vectors']}; ONNX Runtime {facts['onnxruntime']}; commit "
        f"{facts['commit']}, {facts['date']}; `{facts['command']}`.",
        "",
        "Speed is ONNX Runtime's time over ours, above 1 we are faster; memory is our peak over its peak.",
        "",
        "| Benchmark | Threads | Accordion ms | ONNX Runtime ms | Speed | Memory | Compile s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for r in results:
        lines.append(
            f"| {r['name']} | {r['threads']} | {r['ours_s'] * 1e3:.3f} | {r['onnxruntime_s'] * 1e3:.3f} | {r['speed']:.2f} "
            f"| {r['memory']:.2f} | {compiled[r['name']]:.1f} |" + ("" if r["sums_agree"] else " answers differ")
        )
    for name, reason in failures.items():
        lines.append(f"| {name} | – | failed: {reason.replace('|', '/')} | | | | |")
    lines.append("")
    for kind, chosen in (("GEMM", lambda n: n.startswith("gemm")), ("real models", lambda n: not n.startswith("gemm"))):
        for threads in sorted({r["threads"] for r in results}):
            speeds = [r["speed"] for r in results if chosen(r["name"]) and r["threads"] == threads]
            if speeds:
                lines.append(
                    f"- {kind}, {threads} thread{'s' * (threads > 1)}: geometric mean of speed {geometric_mean(speeds):.2f}, "
                    f"lowest {min(speeds):.2f}"
                )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--only", default=".", help="names that contain a match of this expression")
    parser.add_argument("--threads", help="thread counts, separated by commas")
    parser.add_argument("--pairs", type=int, help="least number of pairs of measurements")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "bench")
    options = parser.parse_args()
    config = json.loads((HERE / "benchmarks.json").read_text())
    counts = [int(t) for t in options.threads.split(",")] if options.threads else config["threads"]
    pairs, build = options.pairs or config["pairs"], options.build.resolve()
    options.out.mkdir(parents=True, exist_ok=True)

    results, compiled, failures, artefacts = [], {}, {}, {}
    for name, model, feeds in collect(config, options.out, options.only):
        try:
            if model not in artefacts:
                target = options.out / (name.replace(" ", "-") + ".so")
                artefacts[model] = target, compile_model(build, model, target)
            target, compiled[name] = artefacts[model]
            for threads in counts:
                result = measure(name, model, target, feeds, threads, build, pairs, config["least_seconds"])
                results.append(result)
                print(
                    f"{name:<22} {threads} thread{'s' * (threads > 1):<1} {result['ours_s'] * 1e3:9.3f} ms, ONNX Runtime "
                    f"{result['onnxruntime_s'] * 1e3:9.3f} ms, speed {result['speed']:.2f}, memory {result['memory']:.2f}, "
                    f"compiled in {compiled[name]:.1f} s" + ("" if result["sums_agree"] else ", ANSWERS DIFFER"),
                    flush=True,
                )
        except Exception as error:
            failures[name] = str(error)
            print(f"{name:<22} failed: {error}", flush=True)
    facts = machine()
    kept = {"machine": facts, "results": results, "compile_s": compiled, "failures": failures}
    (options.out / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = table(facts, results, compiled, failures)
    (options.out / "results.md").write_text(text)
    print("\n" + text)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
