#!/usr/bin/env python3
"""Configures and builds a CMake preset: `build.py PRESET [targets...]`.

What the compiler says is shown when it fails; else one line tells how far it is, on terminals only.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def jobs() -> int:
    """One a core, but no more than memory holds: a file that includes MLIR takes up to 1.2 GB to compile."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), int(memory / 1.2e9)))


def main() -> int:
    preset, targets = sys.argv[1], sys.argv[2:]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    cmake = Path(sys.executable).with_name("cmake")
    configured = subprocess.run(
        [cmake, "--preset", preset], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if configured.returncode:
        sys.stdout.buffer.write(configured.stdout)
        return configured.returncode
    command = [cmake, "--build", "--preset", preset, "--parallel", str(jobs())]
    command += ["--target", *targets] if targets else []
    terminal, start, kept = sys.stdout.isatty(), time.monotonic(), []
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    for line in process.stdout:
        step = re.match(r"\[(\d+)/(\d+)\] (.*)", line)
        if not step:
            kept.append(line)
        elif terminal:
            print(f"\r\033[Kbuilding build/{preset}: {step[1]}/{step[2]}", end="", flush=True)
    code = process.wait()
    if terminal:
        print("\r\033[K", end="")
    if code:
        sys.stdout.writelines(kept)
        print(f"build: error: build/{preset} does not build")
    else:
        print(f"build: build/{preset} is up to date ({time.monotonic() - start:.0f} s)")
    return code


if __name__ == "__main__":
    sys.exit(main())
