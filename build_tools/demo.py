#!/usr/bin/env python3
"""The demonstration: a trained sentence encoder becomes a native program, which then ranks sentences by meaning.

    demo.py [--build build/release]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent))
import real_models  # noqa: E402
from real_models.language import tokens  # noqa: E402

QUERY = "How do I make my program run faster?"
SENTENCES = [
    "Profile first, then optimise the hottest loop.",
    "A compiler turns a model into machine code.",
    "Speeding up an application takes careful measurement.",
    "My runner's knee hurts after ten kilometres.",
    "The bakery on the corner opens at seven.",
    "Fast food is rarely good food.",
    "She planted tomatoes behind the house.",
]
ROUNDS, REPEATS = 3, 10


def bold(text):
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def size(path):
    return f"{path.stat().st_size / 1e6:.1f} MB"


def fail(what, done):
    sys.exit(f"demo: error: {what} ended with status {done.returncode}: {done.stderr.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    options = parser.parse_args()
    tools = options.build.resolve() / "bin"
    threads = len(os.sched_getaffinity(0))

    real_models.prepare(["minilm_fp32"], say=lambda text: print(text, flush=True))
    model = real_models.FOLDER / "minilm_fp32" / "model.onnx"
    folder = REPOSITORY / "build" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "minilm"

    print(bold("1. A model: MiniLM, a sentence encoder of 22 million parameters"))
    print(f"   {model.relative_to(REPOSITORY)}, {size(model)}")

    print(bold("2. becomes a program"))
    command = [str(tools / "ac-compile"), str(model), "-o", str(program)]
    shown = [Path(word).name if i == 0 else os.path.relpath(word, REPOSITORY) if "/" in word else word for i, word in enumerate(command)]
    print("   $ " + " ".join(shown), flush=True)
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=None if sys.stderr.isatty() else subprocess.PIPE, text=True)
    if done.returncode:
        fail("ac-compile", done)
    print(f"   {os.path.relpath(program, REPOSITORY)}, {size(program)}, in {time.monotonic() - start:.1f} s; it needs", end=" ")
    needed = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
    libraries = sorted({line.split()[0].split(".so")[0] for line in needed.splitlines() if "=>" in line})
    print(", ".join(libraries) or "no library")

    print(bold("3. that ranks sentences by meaning, as ONNX Runtime does"))
    feeds = tokens([QUERY, *SENTENCES])
    np.savez(folder / "input.npz", **feeds)
    command = [str(program), "--inputs", str(folder / "input.npz"), "--outputs", str(folder / "output.npz")]
    run = real_models.onnx_runtime(model, threads)
    expected = run(feeds)[0]
    # The two take turns, so that whatever else the machine does meets both.
    ours, theirs = [], []
    for _ in range(ROUNDS):
        timed = [*command, "--threads", str(threads), "--repeat", str(REPEATS), "--print-times"]
        done = subprocess.run(timed, capture_output=True, text=True)
        if done.returncode:
            fail("the program", done)
        times = next(line for line in (done.stdout + done.stderr).splitlines() if line.startswith("times_s "))
        ours += map(float, times.split()[1:])
        run(feeds)
        for _ in range(REPEATS):
            start = time.perf_counter()
            run(feeds)
            theirs.append(time.perf_counter() - start)
    with np.load(folder / "output.npz") as output:
        vectors = output["sentence_embedding"]

    print(f'   "{QUERY}"')
    print("   Accordion  ONNX Runtime")
    alike, reference = vectors[1:] @ vectors[0], expected[1:] @ expected[0]
    for i in np.argsort(-alike):
        bar = "█" * max(0, round(24 * float(alike[i])))
        print(f"   {alike[i]:9.4f}  {reference[i]:12.4f}  {bar:<18} {SENTENCES[i]}")
    far = float(np.abs(vectors - expected).max())
    print(f"   largest difference of any number: {far:.1e}")
    mine, other = np.median(ours), np.median(theirs)
    ratio = other / mine
    print(
        f"   median of {len(ours)} runs on {threads} threads: {mine * 1e3:.1f} ms, ONNX Runtime {other * 1e3:.1f} ms:",
        bold(f"{ratio:.2f} times its speed"),
    )
    same_order = (np.argsort(-alike) == np.argsort(-reference)).all()
    if far > 1e-3 or not same_order:
        sys.exit("demo: error: the answers differ")


if __name__ == "__main__":
    main()
