#!/usr/bin/env python3
"""Writes test/Pipelines: for each stage a lit test that pins the pipeline `ac-opt` prints for it.

    update_pipeline_tests.py [--build build/release]

Run it after a change of lib/Pipelines and read the difference before you commit it.
"""

import argparse
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# Import is no pipeline: it makes a module from a file.
STAGES = ["raise", "optimize", "lower", "kernels", "bufferize", "codegen"]


def literal(line: str) -> str:
    """FileCheck takes `{{` and `[[` for syntax of its own."""
    return re.sub(r"\{\{+|\[\[+", lambda m: "{{" + "".join("\\" + c for c in m[0]) + "}}", line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release")
    tool = parser.parse_args().build / "bin" / "ac-opt"
    for stage in STAGES:
        command = [tool, f"--ac-{stage}", "--dump-pass-pipeline"]
        printed = subprocess.run(command, input="module {}", capture_output=True, text=True, check=True).stderr
        passes = printed[printed.index("builtin.module") :].rstrip().splitlines()
        lines = [
            f"// RUN: ac-opt %s --ac-{stage} --dump-pass-pipeline 2>&1 | FileCheck %s --strict-whitespace --match-full-lines",
            "// Written by build_tools/update_pipeline_tests.py.",
            "",
            *(f"// CHECK{'-NEXT' if i else ''}:{literal(line)}" for i, line in enumerate(passes)),
            "module {}",
        ]
        (REPOSITORY / "test" / "Pipelines" / f"{stage}.mlir").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
