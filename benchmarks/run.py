#!/usr/bin/env python3
"""Measures Accordion against ONNX Runtime, both at their best settings, interleaved in one run.

    run.py [--build build/release] [--only REGEX] [--threads 1,2] [--pairs N]

Each engine has a process of its own for each benchmark and thread count; they take turns, so that whatever else the
machine does meets both. A time is the median of at least 20; speed is ONNX Runtime's time over ours. Results go to
build/bench/results.json and build/bench/results.md. What is measured is in benchmarks.json.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from turns import HERE, PAUSE, REPOSITORY, Worker, compile_model, machine, take_turns

sys.path.insert(0, str(REPOSITORY / "build_tools"))
import real_models
from real_models.graph import FLOAT, Graph


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


def measure(name, model, artefact, feeds, threads, build, pairs, least_seconds):
    workers, sums = {}, {}
    try:
        for key, engine, file in (("theirs", "onnxruntime", model), ("ours", "accordion", artefact)):
            worker = workers[key] = Worker(engine, file, threads, build)
            worker.feeds = [feeds]
            _, sums[key] = worker.measure(save=artefact.with_suffix(f".{key}.npz"))
        for worker in workers.values():
            time.sleep(PAUSE)
            worker.settle()
        samples = take_turns(workers, pairs, least_seconds)
        agree = all(math.isclose(a, b, rel_tol=1e-2, abs_tol=1e-2) for a, b in zip(sums["ours"], sums["theirs"]))
        memory = {key: worker.close() for key, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()
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
