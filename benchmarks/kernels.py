#!/usr/bin/env python3
"""Measures the kernels of both generators, MLIR and Halide, and ONNX Runtime's, in turns.

    kernels.py [--build build/release] [--only REGEX] [--threads 1,2] [--march CPU] [--pairs N]

Each line is one operation with its bias and Relu. Speeds are ratios of medians. The last columns are seconds of the step
that makes Halide's kernels, with an empty cache and with a full one. Results go to build/bench/kernels.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from turns import PAUSE, REPOSITORY, Worker, compile_model, machine, take_turns

sys.path.insert(0, str(REPOSITORY / "build_tools"))
from real_models.graph import FLOAT, Graph

PRODUCTS = [(1, 768, 3072), (16, 768, 3072), (197, 768, 3072), (512, 768, 3072), (197, 3072, 768), (128, 384, 384)]
SMALL_PRODUCTS, BLOCK = [(1, 768, 3072), (4, 768, 3072), (16, 768, 3072), (197, 768, 3072), (1, 4096, 4096)], 32
# Channels, height, width, kernel, stride: layers of ppocr_det at 640x640, of ppocr_rec at 48x320 and of centerface at 640x480.
DEPTHWISE = [
    (32, 240, 320, 3, 1),
    (96, 240, 320, 3, 2),
    (144, 120, 160, 3, 1),
    (192, 60, 80, 3, 1),
    (576, 30, 40, 3, 1),
    (64, 160, 160, 3, 1),
    (128, 80, 80, 3, 2),
    (256, 40, 40, 5, 1),
    (240, 12, 80, 3, 1),
    (480, 3, 80, 5, 1),
]


def product(m, k, n):
    rng, g = np.random.default_rng(0), Graph()
    weights, bias = (rng.standard_normal((k, n)) / np.sqrt(k)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    g("Relu", g("Add", g("MatMul", "x", weights), bias), outputs="y")
    return g.model("product", {"x": (FLOAT, [m, k])}, {"y": (FLOAT, [m, n])}, opset=17, ir=8), numbers(m, k)


def by_small_weights(m, k, n, bits):
    """Weights in blocks of 32 with scales and zero points."""
    rng, g = np.random.default_rng(0), Graph()
    blocks = k // BLOCK
    weights = rng.integers(0, 256, (n, blocks, BLOCK * bits // 8)).astype(np.uint8)
    zeros = rng.integers(0, 256, (n, blocks * bits // 8)).astype(np.uint8)
    scales = (rng.uniform(0.5, 1, (n, blocks)) / np.sqrt(k) / 2**bits).astype(np.float32)
    bias = rng.standard_normal(n).astype(np.float32)
    attributes = {"N": n, "K": k, "bits": bits, "block_size": BLOCK}
    product = g("MatMulNBits", "x", weights, scales, zeros, domain="com.microsoft", **attributes)
    g("Relu", g("Add", product, bias), outputs="y")
    model = g.model("product", {"x": (FLOAT, [m, k])}, {"y": (FLOAT, [m, n])}, opset=17, ir=8)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model, numbers(m, k)


def of_bytes(m, k, n):
    """Sums of u8 by s8, scaled, as quantisers write them."""
    rng, g = np.random.default_rng(0), Graph()
    weights, bias = rng.integers(-127, 128, (k, n)).astype(np.int8), rng.standard_normal(n).astype(np.float32)
    sums = g("Cast", g("MatMulInteger", "x", weights), to=FLOAT)
    g("Relu", g("Add", g("Mul", sums, np.float32(1e-5)), bias), outputs="y")
    x = np.random.default_rng(1).integers(0, 256, (m, k)).astype(np.uint8)
    return g.model("product", {"x": (TensorProto.UINT8, [m, k])}, {"y": (FLOAT, [m, n])}, opset=17, ir=8), x


def numbers(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def depthwise(channels, height, width, kernel, stride):
    rng, g = np.random.default_rng(0), Graph()
    weights, bias = rng.standard_normal((channels, 1, kernel, kernel)), rng.standard_normal(channels)
    window = dict(group=channels, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4)
    g("Relu", g("Conv", "x", weights.astype(np.float32), bias.astype(np.float32), **window), outputs="y")
    shape = [1, channels, height, width]
    result = [1, channels, -(-height // stride), -(-width // stride)]
    return g.model("depthwise", {"x": (FLOAT, shape)}, {"y": (FLOAT, result)}, opset=17, ir=8), numbers(*shape)


def collect(only):
    for sizes in PRODUCTS:
        name = "product " + "x".join(map(str, sizes))
        if re.search(only, name):
            yield name, *product(*sizes)
    for bits, sizes in itertools.product((4, 8), SMALL_PRODUCTS):
        name = f"product by {bits} bits " + "x".join(map(str, sizes))
        if re.search(only, name):
            yield name, *by_small_weights(*sizes, bits)
    for sizes in SMALL_PRODUCTS:
        name = "product of bytes " + "x".join(map(str, sizes))
        if re.search(only, name):
            yield name, *of_bytes(*sizes)
    for channels, height, width, kernel, stride in DEPTHWISE:
        name = f"depthwise {kernel}x{kernel}/{stride} {channels}x{height}x{width}"
        if re.search(only, name):
            yield name, *depthwise(channels, height, width, kernel, stride)


def build_all(build, model, folder, march):
    """The artefacts, and the seconds that Halide's kernels took with an empty and with a full cache."""
    cache, report, seconds = folder / "kernels-cache", folder / "report.json", []
    shutil.rmtree(cache, ignore_errors=True)
    targets = {"mlir": folder / "mlir.so", "halide": folder / "halide.so"}
    compile_model(build, model, targets["mlir"], f"--march={march}")
    for _ in range(2):
        flags = [f"--march={march}", "--kernels=halide", f"--report={report}"]
        compile_model(build, model, targets["halide"], *flags, AC_KERNEL_CACHE=str(cache))
        steps = {step["step"]: step["seconds"] for step in json.loads(report.read_text())["steps"]}
        seconds.append(steps["kernels of Halide"])
    return targets, seconds


def measure(model, targets, feeds, threads, build, pairs):
    workers, answers = {}, {}
    try:
        files = {"onnxruntime": model, **targets}
        for key, file in files.items():
            engine = "onnxruntime" if key == "onnxruntime" else "accordion"
            workers[key] = Worker(engine, file, threads, build)
            workers[key].feeds = [feeds]
            saved = feeds.with_name(f"{key}-answer.npz")
            workers[key].measure(save=saved)
            with np.load(saved) as answer:
                answers[key] = answer[answer.files[0]]
        for worker in workers.values():
            time.sleep(PAUSE)
            worker.settle()
        samples = take_turns(workers, pairs, 1.0)
    finally:
        for worker in workers.values():
            worker.kill()
    peak = np.abs(answers["onnxruntime"]).max()
    for key in targets:
        assert np.abs(answers[key] - answers["onnxruntime"]).max() <= 1e-4 * peak, f"{key} computes something else"
    return {key: statistics.median(values) for key, values in samples.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    parser.add_argument("--only", default=".", help="names that contain a match of this expression")
    parser.add_argument("--threads", default="1", help="thread counts, separated by commas")
    parser.add_argument("--march", default="native", help="the machine to compile for")
    parser.add_argument("--pairs", type=int, default=20, help="least number of rounds")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "bench")
    options = parser.parse_args()
    import onnx

    build, folder = options.build.resolve(), options.out / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "| Operation | Threads | MLIR ms | Halide : MLIR | MLIR : ONNX Runtime | Halide : ONNX Runtime | Cold s | Warm s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    print("\n".join(lines), flush=True)
    for name, model, x in collect(options.only):
        path, feeds = folder / "model.onnx", folder / "feeds.npz"
        onnx.save(model, path)
        np.savez(feeds, x=x)
        targets, (cold, warm) = build_all(build, path, folder, options.march)
        for threads in map(int, options.threads.split(",")):
            t = measure(path, targets, feeds, threads, build, options.pairs)
            lines.append(
                f"| {name} | {threads} | {t['mlir'] * 1e3:.3f} | {t['mlir'] / t['halide']:.2f} | {t['onnxruntime'] / t['mlir']:.2f} "
                f"| {t['onnxruntime'] / t['halide']:.2f} | {cold:.2f} | {warm:.3f} |"
            )
            print(lines[-1], flush=True)
    facts = machine()
    said = f"{facts['processor']}, {facts['cores']} cores, {facts['vectors']}; ONNX Runtime {facts['onnxruntime']}; commit "
    said += f"{facts['commit']}, {facts['date']}; `{facts['command']}`."
    text = "\n".join([said, "", *lines]) + "\n"
    (options.out / "kernels.md").write_text(text)
    print("\n" + said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
