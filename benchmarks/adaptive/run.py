#!/usr/bin/env python3
"""Measures models that decide while they run how much to compute, on Accordion and its peers, interleaved in one run.

    run.py [--build build/release] [--only REGEX] [--engines accordion,onnxruntime,openvino,iree] [--threads 1,2]
           [--pairs N] [--layers N] [--update-docs]

For each load of a family all forms of the model take turns on all engines, the dense form too; every engine with every
model has a process of its own. `--only` chooses from names such as `moe/gather@25`. OpenVINO and IREE are installed into
build/bench-venv the first time. Results go to build/bench/adaptive/results.json and results.md; what they mean is in
docs/benchmarks-adaptive.md, where `--update-docs` puts them. What is measured is in benchmarks.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import re
import statistics
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "build_tools")]
import documents  # noqa: E402
import peak  # noqa: E402
import peers  # noqa: E402
import tables  # noqa: E402
from engines import ENGINES, TITLES  # noqa: E402
from families import FAMILIES  # noqa: E402
from turns import PAUSE, REPOSITORY, Worker, compile_model, machine, take_turns, waiting  # noqa: E402

DOCUMENT = REPOSITORY / "docs" / "benchmarks-adaptive.md"
# An answer that is further from the reference, relative to its largest number, is wrong.
TOLERANCE = 1e-3


def say(text):
    print(text, flush=True)


def prepare(name, sizes, out):
    """The family's models, written anew where they or what makes them changed."""
    folder = out / "models" / name
    sources = sorted((HERE / "families").glob("*.py"))
    key = hashlib.sha256(json.dumps(sizes).encode() + b"".join(s.read_bytes() for s in sources)).hexdigest()
    kept = folder / "family.pickle"
    if kept.exists():
        stored, family = pickle.loads(kept.read_bytes())
        if stored == key:
            return family
    say(f"{name}: writing models")
    for old in folder.glob("*"):
        old.unlink()
    family = FAMILIES[name](folder, sizes)
    kept.write_bytes(pickle.dumps((key, family)))
    return family


def difference(got, want):
    """The largest difference of any output, relative to the largest number of that output."""
    worst = 0.0
    with np.load(got) as a, np.load(want) as b:
        if len(a.files) != len(b.files):
            return float("inf")
        for x, y in ((a[name], b[name]) for name in b.files):
            if x.shape != y.shape or not np.isfinite(x).all():
                return float("inf")
            worst = max(worst, float(np.abs(x - y).max() / max(np.abs(y).max(), 1e-30)))
    return worst


class Bench:
    def __init__(self, options, config):
        self.options, self.out, self.build = options, options.out, options.build.resolve()
        self.pairs, self.least = options.pairs or config["pairs"], config["least_seconds"]
        self.engines = options.engines
        self.results, self.failures, self._workers, self._answers = [], [], {}, options.out / "answers"
        self._answers.mkdir(parents=True, exist_ok=True)

    def _artefact(self, engine, model):
        if engine == "iree":
            if not (model.with_suffix(".vmfb").exists() or model.with_suffix(".iree-failed.json").exists()):
                say(f"  IREE compiles {model.parent.name}/{model.name}, {self.options.iree_limit:.0f} s at most")
            return peers.compile_iree(model, self.options.iree_limit)
        if engine != "accordion":
            return model
        target, compiler = model.with_suffix(".so"), self.build / "bin" / "ac-compile"
        if not target.exists() or target.stat().st_mtime < max(f.stat().st_mtime for f in (model, compiler)):
            compile_model(self.build, model, target)
        return target

    def _open(self, cells, threads):
        """Workers of the cells, (engine, form) to model file; those of the round before are kept where they fit."""
        needed = {(engine, model, threads) for (engine, _), model in cells.items()}
        for key in set(self._workers) - needed:
            self._workers.pop(key).kill()
        workers, reasons = {}, {}
        for (engine, form), model in cells.items():
            key = engine, model, threads
            try:
                if key not in self._workers:
                    artefact = self._artefact(engine, model)
                    python, settings = peers.python_of(engine), peers.SETTINGS
                    self._workers[key] = Worker(engine, artefact, threads, self.build, python, settings)
                workers[engine, form] = self._workers[key]
            except RuntimeError as error:
                reasons[engine, form] = str(error)
        return workers, reasons

    def _check(self, workers, reasons, family, load):
        """Runs each once with the feeds of the load; largest differences from the first engine that can."""
        differences, references = {}, {}
        for (engine, form), worker in list(workers.items()):
            worker.feeds, worker.runs = family.loads[load].feeds, 1
            file = self._answers / f"{engine}-{form}.npz"
            try:
                worker.measure(save=file)
                # All forms but the dense one compute the same.
                reference = references.setdefault(form == "dense", file)
                differences[engine, form] = difference(file, reference)
                time.sleep(PAUSE)
                worker.settle()
            except RuntimeError as error:
                reasons[engine, form] = str(error)
                self._drop(workers.pop((engine, form)))
        return differences

    def _take_turns(self, workers, reasons):
        """Those that fail on the way are left out, and the others begin again."""
        while True:
            try:
                return take_turns(workers, self.pairs, self.least)
            except RuntimeError:
                for cell, worker in [item for item in workers.items() if item[1].failure]:
                    reasons[cell] = worker.failure
                    self._drop(workers.pop(cell))

    def _drop(self, worker):
        worker.kill()
        self._workers = {key: w for key, w in self._workers.items() if w is not worker}

    def round(self, name, family, load, forms, threads):
        entry = family.loads[load]
        with_dense = ["dense"] * ("dense" in family.forms) + forms
        # The references come from the first engine that answers: ONNX Runtime, where it takes part.
        order = sorted(self.engines, key=lambda engine: engine != "onnxruntime")
        cells = {
            (engine, form): family.model(form, load)
            for form in with_dense
            for engine in order
            if form != "moe_op" or engine in ("accordion", "onnxruntime")  # an operator that the others do not have
        }
        workers, reasons = self._open(cells, threads)
        differences = self._check(workers, reasons, family, load)
        before = waiting()
        start = time.monotonic()
        samples = self._take_turns(workers, reasons)
        busy = None if before is None else (waiting() - before) / (time.monotonic() - start)
        self.failures += [
            {"family": name, "form": form, "load": load, "threads": threads, "engine": engine, "reason": reason}
            for (engine, form), reason in reasons.items()
        ]
        for (engine, form), times in samples.items():
            result = {
                "family": name,
                "form": form,
                "load": load,
                "threads": threads,
                "engine": engine,
                "seconds": statistics.median(times),
                "fastest_s": min(times),
                "pairs": len(times),
                "part": 1.0 if form == "dense" else entry.part,
                "flops": family.dense_flops if form == "dense" else entry.flops,
                "difference": differences[engine, form],
                "wrong": differences[engine, form] > TOLERANCE,
                "waiting": busy,
            }
            dense = samples.get((engine, "dense"))
            if dense and form != "dense" and family.bound == "dense":
                needed = entry.flops / family.dense_flops
                result["flops_part"] = needed
                result["share"] = statistics.median(needed * d / t for d, t in zip(dense, times))
            if dense and form != "dense" and family.bound == "chain":
                result["step_s"] = statistics.median((t - d) / family.steps for d, t in zip(dense, times))
            if entry.weight_bytes:
                result["read_gbs"] = entry.weight_bytes / result["seconds"] * 1e-9
                result["cycle_bytes"] = entry.weight_bytes * len(entry.feeds)
            if family.bound == "peak":
                result["gflops"] = entry.flops / result["seconds"] * 1e-9
            self.results.append(result)
        self._tell(name, load, threads, with_dense)

    def _tell(self, name, load, threads, forms):
        for form in forms:
            cells = [
                r for r in self.results if (r["family"], r["form"], r["load"], r["threads"]) == (name, form, load, threads)
            ]
            parts = [
                f"{TITLES[r['engine']]} {tables.number(r['seconds'])} ms"
                + (f" ({r['share']:.0%})" if "share" in r else "")
                + (" WRONG" if r["wrong"] else "")
                for r in sorted(cells, key=lambda r: self.engines.index(r["engine"]))
            ]
            say(f"{f'{name}/{form}@{load}':<28} {threads} thread{'s' * (threads > 1):<1} " + (", ".join(parts) or "failed"))

    def family(self, name, sizes):
        family = prepare(name, sizes, self.out)
        for threads in self.options.threads:
            for load in family.loads:
                forms = [f for f in family.forms if f != "dense" and re.search(self.options.only, f"{name}/{f}@{load}")]
                if forms:
                    self.round(name, family, load, forms, threads)
        self.close()

    def close(self):
        for worker in self._workers.values():
            worker.kill()
        self._workers = {}


def peaks(bench, kept, read_bytes):
    """Measured before and after, since other work makes a peak lower but never higher."""
    sizes = sorted({r["cycle_bytes"] for r in bench.results if "cycle_bytes" in r} | {read_bytes})
    found = peak.measure(bench.out, bench.options.threads, sizes)
    for threads, measured in found.items():
        old = kept.get(threads, {"gflops": 0, "read": {}})
        read = {size: max(value, old["read"].get(size, 0)) for size, value in measured["read"].items()}
        kept[threads] = {"gflops": max(measured["gflops"], old["gflops"]), "read": read}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--only", default=".", help="names such as moe/gather@25 that contain a match of this expression")
    parser.add_argument("--engines", default=",".join(ENGINES), type=lambda text: text.split(","))
    parser.add_argument("--threads", type=lambda text: [int(t) for t in text.split(",")], help="thread counts, with commas")
    parser.add_argument("--pairs", type=int, help="least number of rounds in which each has a turn")
    parser.add_argument("--layers", type=int, help="layers of the vision transformer acm_vit")
    parser.add_argument("--iree-limit", type=float, default=420.0, help="seconds that IREE may take to compile a model")
    parser.add_argument("--config", type=Path, default=HERE / "benchmarks.json", help="another file of sizes")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "bench" / "adaptive")
    parser.add_argument("--update-docs", action="store_true", help=f"put the results into {DOCUMENT.relative_to(REPOSITORY)}")
    options = parser.parse_args()
    unknown = set(options.engines) - set(ENGINES)
    if unknown:
        parser.error(f"no engine {unknown.pop()!r}; there are {', '.join(ENGINES)}")
    config = json.loads(options.config.read_text())
    options.threads = options.threads or config["threads"]
    if options.layers and "acm_vit" in config["families"]:
        config["families"]["acm_vit"]["layers"] = options.layers
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)

    missing = {}
    chosen = [engine for engine in options.engines if engine in peers.PEERS]
    if chosen and (reason := peers.install(say)):
        missing = {engine: reason for engine in chosen}
        options.engines = [engine for engine in options.engines if engine not in missing]

    bench, limits = Bench(options, config), {}
    facts = machine()
    facts["peers"] = peers.versions(chosen) if chosen and not missing else {}
    peaks(bench, limits, config["read_bytes"])
    try:
        for name, sizes in config["families"].items():
            bench.family(name, sizes)
            kept = {"machine": facts, "peaks": limits, "results": bench.results, "failures": bench.failures, "missing": missing}
            (options.out / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    finally:
        bench.close()
    peaks(bench, limits, config["read_bytes"])
    (options.out / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = tables.markdown(kept, options.engines)
    (options.out / "results.md").write_text(text)
    say("\n" + text)
    if options.update_docs:
        documents.put(DOCUMENT, tables.MARKS, text)
    ours = [f for f in bench.failures if f["engine"] == "accordion"]
    wrong = [r for r in bench.results if r["engine"] == "accordion" and r["wrong"]]
    return 1 if ours or wrong or not bench.results else 0


if __name__ == "__main__":
    sys.exit(main())
