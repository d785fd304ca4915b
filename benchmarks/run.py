#!/usr/bin/env python3
"""Measures Accordion against ONNX Runtime and OpenVINO, all at their best settings, interleaved in one run.

    run.py [--build build/release] [--only REGEX] [--engines accordion,onnxruntime,openvino] [--threads 1,2] [--pairs N]
           [--update-docs]

Each engine has a process of its own for each benchmark and thread count; they take turns, so that whatever else the
machine does meets all. A time is the median of at least 20; speed is the time of the fastest peer over ours. OpenVINO is
installed into build/bench-venv the first time. Results go to build/bench/results.json and build/bench/results.md, and
with `--update-docs` into docs/benchmarks.md. What is measured is in benchmarks.json.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import re
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import documents
import peers
from engines import TITLES
from turns import HERE, PAUSE, REPOSITORY, Worker, compile_model, machine, take_turns, waiting

sys.path.insert(0, str(REPOSITORY / "build_tools"))
import real_models
from onnx import TensorProto
from onnx.helper import make_opsetid
from real_models.graph import FLOAT, Graph

sys.path.insert(0, str(HERE / "adaptive"))
import peak

ENGINES = ("accordion", "onnxruntime", "openvino")


def gemm_model(m, k, n):
    rng, g = np.random.default_rng(m), Graph()
    g("MatMul", "x", (rng.standard_normal((k, n)) / np.sqrt(k)).astype(np.float32), outputs="y")
    model = g.model("gemm", {"x": (FLOAT, [m, k])}, {"y": (FLOAT, [m, n])}, opset=17, ir=8)
    return model, {"x": rng.standard_normal((m, k)).astype(np.float32)}


def int8_gemm_model(m, k, n):
    rng, g = np.random.default_rng(m), Graph()
    g("MatMulInteger", "x", rng.integers(-128, 128, (k, n)).astype(np.int8), outputs="y")
    model = g.model("gemm", {"x": (TensorProto.UINT8, [m, k])}, {"y": (TensorProto.INT32, [m, n])}, opset=17, ir=8)
    return model, {"x": rng.integers(0, 256, (m, k)).astype(np.uint8)}


def bf16_gemm_model(m, k, n):
    """Inputs and results of f32, which is what feeds can hold; the product itself is one of bf16."""
    rng, g = np.random.default_rng(m), Graph()
    weights = g("Cast", (rng.standard_normal((k, n)) / np.sqrt(k)).astype(np.float32), to=TensorProto.BFLOAT16)
    product = g("MatMul", g("Cast", "x", to=TensorProto.BFLOAT16), weights)
    g("Cast", product, outputs="y", to=TensorProto.FLOAT)
    model = g.model("gemm", {"x": (FLOAT, [m, k])}, {"y": (FLOAT, [m, n])}, opset=17, ir=8)
    return model, {"x": rng.standard_normal((m, k)).astype(np.float32)}


def four_bit_gemm_model(m, k, n, accuracy_level=0, block=32):
    """Weights of four bits with a scale for each block of a column; level 4 allows to round rows to bytes."""
    rng, g = np.random.default_rng(m), Graph()
    weights = rng.integers(0, 256, (n, k // block, block // 2)).astype(np.uint8)
    scales = (rng.uniform(-1, 1, (n, k // block)) / 16 / np.sqrt(k)).astype(np.float32)
    attributes = {"N": n, "K": k, "bits": 4, "block_size": block, "accuracy_level": accuracy_level}
    g("MatMulNBits", "x", weights, scales, outputs="y", domain="com.microsoft", **attributes)
    model = g.model("gemm", {"x": (FLOAT, [m, k])}, {"y": (FLOAT, [m, n])}, opset=17, ir=8)
    model.opset_import.append(make_opsetid("com.microsoft", 1))
    return model, {"x": rng.standard_normal((m, k)).astype(np.float32)}


DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"
MARKS = "<!-- results -->", "<!-- end of results -->"

# By the first word of a benchmark's name: what makes its model, and the peak of its instructions in `peak.cpp`.
GEMMS = {
    "gemm": (gemm_model, "gflops"),
    "gemm-int8": (int8_gemm_model, "int8_gflops"),
    "gemm-bf16": (bf16_gemm_model, "bf16_gflops"),
    "gemm-w4": (four_bit_gemm_model, "gflops"),
    "gemm-w4-level4": (functools.partial(four_bit_gemm_model, accuracy_level=4), "bf16_gflops"),
}
# Engines round rows in ways of their own here, and most of a sum of all results cancels, which roundings do not.
ROUNDED = {"gemm-w4-level4": 0.1}


def attention_model(s, heads, width, causal):
    rng, g = np.random.default_rng(s), Graph()
    g("Attention", "q", "k", "v", outputs="y", is_causal=causal)
    shape = [1, heads, s, width]
    model = g.model("attention", {n: (FLOAT, shape) for n in "qkv"}, {"y": (FLOAT, shape)}, opset=23, ir=10)
    return model, {n: rng.standard_normal(shape).astype(np.float32) for n in "qkv"}


def collect(config, folder, only):
    """(name, model file, feeds file) of what is to be measured."""
    import onnx

    gemm, attention = config["gemm"], config["attention"]
    made = {
        f"{kind} {m}x{gemm['k']}x{gemm['n']}": lambda make=make, m=m: make(m, gemm["k"], gemm["n"])
        for kind, (make, _) in GEMMS.items()
        for m in gemm["m"]
    }
    for s in attention["s"]:
        for causal in attention["causal"]:
            name = f"attention {s}" + " causal" * causal
            made[name] = lambda s=s, causal=causal: attention_model(s, attention["heads"], attention["width"], causal)
    for name, make in made.items():
        if re.search(only, name):
            model, feeds = make()
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


def agrees(ours, theirs, tolerance):
    pairs = zip(ours, theirs)
    return len(ours) == len(theirs) and all(math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in pairs)


def measure(name, files, feeds, threads, build, pairs, least_seconds):
    """The medians of the engines, `files` being what each opens. A peer that cannot run the model is named with its reason."""
    workers, sums, reasons = {}, {}, {}
    tolerance = ROUNDED.get(name.split()[0], 1e-2)
    try:
        for engine, file in files.items():
            try:
                worker = workers[engine] = Worker(engine, file, threads, build, peers.python_of(engine), peers.SETTINGS)
                worker.feeds = [feeds]
                _, sums[engine] = worker.measure(save=feeds.with_suffix(f".{engine}.npz"))
                time.sleep(PAUSE)
                worker.settle()
            except RuntimeError as error:
                if engine == "accordion":
                    raise
                reasons[engine] = str(error)
                if engine in workers:
                    workers.pop(engine).kill()
        waited, start = waiting(), time.monotonic()
        samples = take_turns(workers, pairs, least_seconds)
        busy = None if waited is None else (waiting() - waited) / (time.monotonic() - start)
        memory = {engine: worker.close() for engine, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()
    seconds = {engine: statistics.median(values) for engine, values in samples.items()}
    theirs = [engine for engine in seconds if engine != "accordion"]
    return {
        "name": name,
        "threads": threads,
        "seconds": seconds,
        "fastest_s": {engine: min(values) for engine, values in samples.items()},
        "peak_bytes": memory,
        "speed": min((seconds[engine] for engine in theirs), default=math.nan) / seconds["accordion"],
        "memory": memory["accordion"] / min((memory[engine] for engine in theirs), default=math.nan),
        "pairs": len(samples["accordion"]),
        "differs_from": [engine for engine in theirs if not agrees(sums["accordion"], sums[engine], tolerance)],
        "peers_failed": reasons,
        "waiting": busy,
    }


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def remarks(result):
    return "".join(f" answers differ from {TITLES[engine]}'s;" for engine in result["differs_from"]) + "".join(
        f" {TITLES[engine]} failed: {reason.replace('|', '/')};" for engine, reason in result["peers_failed"].items()
    )


def peak_beside(name, threads, folder):
    """What the machine's multiply-adds reach at the moment, in GFLOP/s; None for what is no product. It is measured beside
    each product, because virtual processors do not run at the same speed all the time."""
    kind = name.split()[0]
    return peak.measure(folder, [threads], []).get(threads, {}).get(GEMMS[kind][1]) if kind in GEMMS else None


def share_of_peak(result):
    """What part of the machine's peak a product reaches, as text."""
    if not (most := result["peak_gflops"]):
        return "–"
    shape = result["name"].split()[1]
    gflops = 2e-9 * math.prod(map(int, shape.split("x"))) / result["seconds"]["accordion"]
    return f"{gflops / most:.0%} of {most:.0f} GFLOP/s"


def table(facts, engines, results, compiled, failures):
    theirs = [engine for engine in engines if engine != "accordion"]
    versions = "".join(f"{TITLES[engine]} {version}; " for engine, version in facts["peers"].items())
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, {facts['vectors']}; {versions}commit {facts['commit']}, "
        f"{facts['date']}; `{facts['command']}`.",
        "",
        "Speed is the time of the fastest peer over ours, above 1 we are faster; memory is our peak over the smallest of "
        "theirs. Waiting is the part of the time in which some process of the machine waited for a core.",
        "",
        "| Benchmark | Threads | Accordion ms |"
        + "".join(f" {TITLES[engine]} ms |" for engine in theirs)
        + " Speed | Memory | Compile s | Waiting | Of the peak | Remarks |",
        "|---|---:|---:|" + "---:|" * len(theirs) + "---:|---:|---:|---:|---:|---|",
    ]
    for r in results:
        times = [f"{r['seconds'][e] * 1e3:.3f}" if e in r["seconds"] else "–" for e in ("accordion", *theirs)]
        waited = "–" if r["waiting"] is None else f"{r['waiting']:.0%}"
        lines.append(
            f"| {r['name']} | {r['threads']} | {' | '.join(times)} | {r['speed']:.2f} | {r['memory']:.2f} "
            f"| {compiled[r['name']]:.1f} | {waited} | {share_of_peak(r)} |{remarks(r)} |"
        )
    for name, reason in failures.items():
        lines.append(f"| {name} | – | failed: {reason.replace('|', '/')} |" + " |" * (len(theirs) + 4))
    lines.append("")
    kinds = {
        "GEMM": "gemm",
        "GEMM of int8": "gemm-int8",
        "GEMM of bf16": "gemm-bf16",
        "GEMM of 4-bit weights": "gemm-w4",
        "GEMM of 4-bit weights, accuracy_level 4": "gemm-w4-level4",
        "attention": "attention",
    }
    for kind, word in (kinds | {"real models": ""}).items():
        first = lambda n: n.split()[0]
        chosen = lambda n: first(n) == word if word else first(n) not in kinds.values()  # noqa: B023
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
    parser.add_argument("--engines", default=ENGINES, type=lambda text: tuple(text.split(",")), help=", ".join(ENGINES))
    parser.add_argument("--threads", help="thread counts, separated by commas")
    parser.add_argument("--pairs", type=int, help="least number of pairs of measurements")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "bench")
    parser.add_argument("--update-docs", action="store_true", help=f"put the table into {DOCUMENT.relative_to(REPOSITORY)}")
    options = parser.parse_args()
    engines = dict.fromkeys(("accordion", *options.engines))
    if unknown := [engine for engine in engines if engine not in ENGINES]:
        parser.error(f"no engine {unknown[0]!r}; there are {', '.join(ENGINES)}")
    if "openvino" in engines and (reason := peers.install(print)):
        print(f"OpenVINO is left out: {reason}")
        del engines["openvino"]
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
            files = {engine: target if engine == "accordion" else model for engine in engines}
            for threads in counts:
                result = measure(name, files, feeds, threads, build, pairs, config["least_seconds"])
                result["peak_gflops"] = peak_beside(name, threads, options.out)
                results.append(result)
                times = ", ".join(f"{TITLES[e]} {t * 1e3:.3f} ms" for e, t in result["seconds"].items())
                print(
                    f"{name:<22} {threads} thread{'s' * (threads > 1):<1} {times}, speed {result['speed']:.2f}, memory "
                    f"{result['memory']:.2f}, compiled in {compiled[name]:.1f} s{remarks(result)}",
                    flush=True,
                )
        except Exception as error:
            failures[name] = str(error)
            print(f"{name:<22} failed: {error}", flush=True)
    facts = machine()
    facts["peers"] = {"onnxruntime": facts["onnxruntime"]} if "onnxruntime" in engines else {}
    facts["peers"] |= peers.versions(["openvino"]) if "openvino" in engines else {}
    kept = {"machine": facts, "results": results, "compile_s": compiled, "failures": failures}
    (options.out / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = table(facts, list(engines), results, compiled, failures)
    (options.out / "results.md").write_text(text)
    print("\n" + text)
    if options.update_docs:
        documents.put(DOCUMENT, MARKS, text)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
