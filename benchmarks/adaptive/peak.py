"""What the machine can do: `peak.cpp`, compiled for it and run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

COMPILERS = ("clang++-22", "clang++", "g++", "c++")


def measure(folder: Path, threads: list[int], sizes: list[int]) -> dict:
    """For each number of threads the peaks of multiply-adds of floats, bytes and bf16 in GFLOP/s and, for each size, the
    bandwidth of reading as much in GB/s; empty without a compiler."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if not compiler:
        return {}
    program = folder / "peak"
    source = Path(__file__).with_suffix(".cpp")
    subprocess.run([compiler, "-O3", "-march=native", "-std=c++17", "-pthread", source, "-o", program], check=True)
    results = {}
    for count in threads:
        said = subprocess.run([program, str(count), *map(str, sizes)], check=True, capture_output=True, text=True).stdout
        results[count] = json.loads(said)
    return results
