#!/usr/bin/env python3
"""Measures what models cost beside the time of a run: compiling, starting, memory, and how costs grow, against ONNX Runtime.

    costs.py [--build build/release] [--only REGEX] [--rounds N] [--update-docs]

Compile time is what passes until `ac-compile`, which uses all processors, has made an executable, without and with what
the cache of artefacts has.
Start is the time of that executable from its start to its end with one run, inputs read and outputs written, over
ONNX Runtime's time of opening a session and of the first run in a process that has loaded everything else. Memory is
the peak of a process of Python that has run the model, ours over theirs. Both engines take turns, with one thread.
Results go to build/bench/costs.json and costs.md, and with `--update-docs` into docs/benchmarks.md. What is measured
stands under `costs` in benchmarks.json.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import documents
from peers import SETTINGS
from turns import HERE, REPOSITORY, Worker, compile_model, machine, take_turns

sys.path.insert(0, str(REPOSITORY / "build_tools"))
import real_models
from real_models.graph import FLOAT, Graph
from run import collect

DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"
MARKS = "<!-- costs -->", "<!-- end of costs -->"
MEMORY_GOAL, START_GOAL, WARM_GOAL = 0.8, 0.5, 1 / 3
# How often an executable is started, and a run of each size is timed.
STARTS, TURNS = 5, 11
PAIR = ("accordion", "onnxruntime")


class Costs:
    def __init__(self, build, out, rounds):
        self.build, self.out, self.rounds = build, out, rounds

    def _worker(self, engine, program, model, feeds=()):
        worker = Worker(engine, program if engine == "accordion" else model, 1, self.build, settings=SETTINGS)
        worker.feeds = list(feeds)
        return worker

    def _compile(self, model, program, cache):
        return compile_model(self.build, model, program, ACCORDION_CACHE_DIR=cache)

    def compile(self, model, program):
        """Seconds without a cache, and with one that has the model; medians."""
        cold, warm = [], []
        with tempfile.TemporaryDirectory(prefix="accordion-") as folder:
            self._compile(model, program, folder)
            for _ in range(self.rounds):
                warm.append(self._compile(model, program, folder))
                cold.append(self._compile(model, program, ""))
        return statistics.median(cold), statistics.median(warm)

    def start(self, model, program, feeds):
        """Seconds to the first result: of the executable as a whole, and of ONNX Runtime's session and first run."""
        ours, theirs = [], []
        with tempfile.TemporaryDirectory(prefix="accordion-") as folder:
            command = [program, "--inputs", feeds, "--outputs", Path(folder) / "out.npz", "--threads", "1"]
            for _ in range(STARTS + 1):
                begin = time.perf_counter()
                done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
                ours.append(time.perf_counter() - begin)
                if done.returncode:
                    raise RuntimeError(done.stderr.strip().splitlines()[-1][:200])
                worker = self._worker("onnxruntime", program, model, [feeds])
                theirs.append(worker.opened + worker.measure())
                worker.close()
        # The first of each has read the files from the disk.
        return statistics.median(ours[1:]), statistics.median(theirs[1:])

    def memory(self, model, program, feeds):
        peaks = []
        for engine in PAIR:
            worker = self._worker(engine, program, model, [feeds])
            for _ in range(5):
                worker.measure()
            peaks.append(worker.close())
        return peaks

    def model(self, name, model, feeds, goal):
        program = self.out / f"costs-{name.replace(' ', '-')}"
        cold, warm = self.compile(model, program)
        ours, theirs = self.start(model, program, feeds)
        peaks = self.memory(model, program, feeds)
        return {
            "name": name, "compile_s": cold, "compile_goal_s": goal, "warm_s": warm, "start_s": [ours, theirs],
            "peak_bytes": peaks,
        }  # fmt: skip

    def grow(self, model, feeds_of, sizes):
        """Seconds of a run for each size, for both engines."""
        program = self.out / "costs-growth.so"
        compile_model(self.build, model, program)
        seconds = {engine: [] for engine in PAIR}
        for size in sizes:
            path = self.out / f"costs-growth-{size}.npz"
            np.savez(path, **feeds_of(size))
            workers = {engine: self._worker(engine, program, model, [path]) for engine in PAIR}
            for worker in workers.values():
                worker.settle()
            samples = take_turns(workers, TURNS, 0)
            for engine, worker in workers.items():
                worker.close()
                seconds[engine].append(statistics.median(samples[engine]))
        return seconds

    def repeat(self, model, feeds, runs):
        """Resident bytes after a tenth of the runs, and after all of them."""
        program = self.out / "costs-repeat.so"
        compile_model(self.build, model, program)
        resident = {}
        for engine in PAIR:
            worker = self._worker(engine, program, model, [feeds])
            worker.runs = runs // 10
            worker.measure()
            resident[engine] = [worker.resident]
            worker.runs = runs - worker.runs
            worker.measure()
            resident[engine].append(worker.resident)
            worker.close()
        return resident


def lstm(hidden):
    """One layer over a sequence of any length."""
    rng, g = np.random.default_rng(0), Graph()
    w, r = (rng.standard_normal((1, 4 * hidden, hidden)).astype(np.float32) / hidden**0.5 for _ in range(2))
    g("LSTM", "x", w, r, outputs="y", hidden_size=hidden)
    model = g.model("lstm", {"x": (FLOAT, ["steps", 1, hidden])}, {"y": (FLOAT, ["steps", 1, 1, hidden])}, opset=17, ir=8)
    return model, lambda steps: {"x": rng.standard_normal((steps, 1, hidden)).astype(np.float32)}


def tokens(model, count):
    """Feeds of an encoder: each input is [1, count] of small numbers, masks are ones."""
    import onnx

    names = [value.name for value in onnx.load(model, load_external_data=False).graph.input]
    rng = np.random.default_rng(count)
    make = {"attention_mask": np.ones, "token_type_ids": np.zeros}
    return {n: make[n]((1, count), np.int64) if n in make else rng.integers(1000, 2000, (1, count)) for n in names}


def slope(sizes, seconds):
    """The exponent of the growth: that of the line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def verdict(value, goal):
    return "yes" if value <= goal else "**no**"


def table(kept):
    facts = kept["machine"]
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, {facts['vectors']}; ONNX Runtime {facts['onnxruntime']}; commit "
        f"{facts['commit']}, {facts['date']}; `{facts['command']}`. One thread; medians, both engines in turn.",
        "",
        "| Model | Compile s | Goal | Warm s | Warm / cold | ≤ 1/3 | Start ms | ONNX Runtime ms | Ratio | ≤ 0.5 | Peak MB "
        "| ONNX Runtime MB | Ratio | ≤ 0.8 |",
        "|---|---:|---|---:|---:|---|---:|---:|---:|---|---:|---:|---:|---|",
    ]
    for r in kept["models"]:
        cold, warm, goal = r["compile_s"], r["warm_s"], r["compile_goal_s"]
        (ours, theirs), (peak, their_peak) = r["start_s"], r["peak_bytes"]
        lines.append(
            f"| {r['name']} | {cold:.2f} | {f'≤ {goal}: ' + verdict(cold, goal) if goal else '–'} | {warm:.3f} "
            f"| {warm / cold:.2f} | {verdict(warm / cold, WARM_GOAL)} | {ours * 1e3:.0f} | {theirs * 1e3:.0f} "
            f"| {ours / theirs:.2f} | {verdict(ours / theirs, START_GOAL)} | {peak / 1e6:.0f} | {their_peak / 1e6:.0f} "
            f"| {peak / their_peak:.2f} | {verdict(peak / their_peak, MEMORY_GOAL)} |"
        )
    for name, reason in kept["failures"].items():
        lines.append(f"| {name} | failed: {reason.replace('|', '/')} |" + " |" * 12)
    if growth := kept["growth"]:
        lines += ["", "| How costs grow | Sizes | Accordion | ONNX Runtime |", "|---|---|---:|---:|"]
        for row in growth:
            sizes = ", ".join(map(str, row["sizes"]))
            ours, theirs = (", ".join(row["texts"][engine]) for engine in PAIR)
            lines.append(f"| {row['what']} | {sizes} | {ours} | {theirs} |")
    return "\n".join(lines) + "\n"


def measure_growth(costs, config, only):
    import onnx

    rows = []
    if re.search(only, "recurrent"):
        sizes = config["recurrent"]["steps"]
        model, feeds = lstm(config["recurrent"]["hidden"])
        path = costs.out / "costs-lstm.onnx"
        onnx.save(model, path)
        seconds = costs.grow(path, feeds, sizes)
        texts = {e: [f"{1e6 * s / n:.1f}" for s, n in zip(seconds[e], sizes)] for e in PAIR}
        rows.append({"what": "LSTM, µs per step", "sizes": sizes, "seconds": seconds, "texts": texts})
    if re.search(only, "encoder"):
        sizes, name = config["encoder"]["tokens"], config["encoder"]["model"]
        real_models.prepare([name])
        path = real_models.FOLDER / name / "model.onnx"
        seconds = costs.grow(path, lambda count: tokens(path, count), sizes)
        texts = {e: [f"{1e6 * s / n:.0f}" for s, n in zip(seconds[e], sizes)] for e in PAIR}
        for engine in PAIR:
            texts[engine].append(f"exponent {slope(sizes, seconds[engine]):.2f}")
        rows.append({"what": f"{name}, µs per token", "sizes": sizes, "seconds": seconds, "texts": texts})
    if re.search(only, "repeat"):
        runs, name = config["repeat"]["runs"], config["repeat"]["model"]
        real_models.prepare([name])
        folder = real_models.FOLDER / name
        feeds, _ = next(iter(real_models.goldens(folder, "model.onnx")))
        np.savez(costs.out / "costs-repeat.npz", **feeds)
        resident = costs.repeat(folder / "model.onnx", costs.out / "costs-repeat.npz", runs)
        texts = {
            e: [f"{b / 1e6:.1f}" for b in resident[e]] + [f"growth {resident[e][1] / resident[e][0] - 1:.1%}"] for e in PAIR
        }
        rows.append(
            {"what": f"{name}, resident MB after runs", "sizes": [runs // 10, runs], "resident": resident, "texts": texts}
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--only", default=".", help="models, and recurrent, encoder, repeat, that contain a match of this")
    parser.add_argument("--rounds", type=int, default=3, help="times that each model is compiled both ways")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "bench")
    parser.add_argument("--update-docs", action="store_true", help=f"put the tables into {DOCUMENT.relative_to(REPOSITORY)}")
    options = parser.parse_args()
    config = json.loads((HERE / "benchmarks.json").read_text())
    wanted = config["costs"]
    options.out.mkdir(parents=True, exist_ok=True)
    costs = Costs(options.build.resolve(), options.out.resolve(), options.rounds)
    kept = {"machine": machine(), "models": [], "failures": {}}
    names = [name for name in wanted["models"] if re.search(options.only, name)]
    chosen = {**config, "gemm": {**config["gemm"], "m": []}, "attention": {**config["attention"], "s": []}}
    for name, model, feeds in collect(chosen, options.out, "^(" + "|".join(map(re.escape, names)) + ")$") if names else ():
        try:
            result = costs.model(name, model, feeds, wanted["compile_goals"].get(name))
            kept["models"].append(result)
            print(json.dumps(result), flush=True)
        except Exception as error:
            kept["failures"][name] = str(error)
            print(f"{name} failed: {error}", flush=True)
    kept["growth"] = measure_growth(costs, wanted, options.only)
    (options.out / "costs.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = table(kept)
    (options.out / "costs.md").write_text(text)
    print("\n" + text)
    if options.update_docs:
        documents.put(DOCUMENT, MARKS, text)
    return 1 if kept["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
