#!/usr/bin/env python3
"""Begins a pass: its entry in Passes.td, its source, its test and the test of what it refuses.

    new_pass.py Kernels FoldGates "Fold gates that are constant"

The word is spelled in four ways: the class FoldGates, the file FoldGates.cpp, the flag ac-fold-gates, the test
fold-gates.mlir. Nothing that exists is overwritten. The tests fail until they make a claim; docs/adding-a-pass.md
says what remains to be done.
"""

import argparse
import re
import sys
from pathlib import Path

STAGES = ["Raise", "Optimize", "Lower", "Kernels", "Bufferize", "Codegen"]

TABLEGEN = """\
def {name} : Pass<"ac-{flag}", "::mlir::ModuleOp"> {{
  let summary = "{summary}";
  let description = [{{
    What becomes what, and what it leaves alone.
  }}];
}}

"""

SOURCE = """\
//===- {name}.cpp - {summary} {dashes}===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The algorithm in a paragraph.
//
//===----------------------------------------------------------------------===//
#include "{stage}/Passes.h"

namespace mlir::ac {{
#define GEN_PASS_DEF_{upper}
#include "{stage}/Passes.h.inc"

namespace {{
struct {name} : impl::{name}Base<{name}> {{
  using Base::Base;

  void runOnOperation() override {{}}
}};
}} // namespace
}} // namespace mlir::ac
"""

TEST = """\
// RUN: ac-opt %s --ac-{flag} | FileCheck %s

// CHECK-LABEL: func.func @what_the_pass_does(
// CHECK: the.operation.that.it.makes
func.func @what_the_pass_does() {{
  return
}}

// CHECK-LABEL: func.func @what_it_leaves_alone(
// CHECK: the.operation.that.was.there
func.func @what_it_leaves_alone() {{
  return
}}
"""

INVALID = """\
// RUN: ac-opt %s --ac-{flag} --split-input-file --verify-diagnostics

// expected-error @below {{{{what was seen, expected what}}}}
func.func @what_it_refuses() {{
  return
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("name", help="in CamelCase, beginning with a verb")
    parser.add_argument("summary", help="one phrase, beginning with a verb, without a full stop")
    parser.add_argument("--repository", type=Path, default=Path(__file__).resolve().parents[1], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not re.fullmatch(r"([A-Z][a-z0-9]+|[A-Z]{2,}(?![a-z]))+", arguments.name):
        parser.error(f"'{arguments.name}' is not in CamelCase")
    words = re.findall(r"[A-Z][a-z0-9]+|[A-Z]+(?![a-z])", arguments.name)
    if arguments.summary.endswith(".") or '"' in arguments.summary:
        parser.error("the summary is one phrase, without a full stop or quotes")
    flag = "-".join(word.lower() for word in words)
    title = f"//===- {arguments.name}.cpp - {arguments.summary} "
    fields = {
        "stage": arguments.stage,
        "name": arguments.name,
        "upper": arguments.name.upper(),
        "flag": flag,
        "summary": arguments.summary,
        "dashes": "-" * max(80 - len(title) - len("===//"), 1),
    }

    root = arguments.repository
    declarations = root / "lib" / arguments.stage / "Passes.td"
    text = declarations.read_text()
    end = f"#endif // {arguments.stage.upper()}_PASSES"
    if end not in text:
        sys.exit(f"error: {declarations} does not end in '{end}'")
    if f"def {arguments.name} :" in text:
        sys.exit(f"error: {declarations} has a pass of this name")
    files = {
        root / "lib" / arguments.stage / f"{arguments.name}.cpp": SOURCE,
        root / "test" / arguments.stage / f"{flag}.mlir": TEST,
        root / "test" / arguments.stage / f"{flag}-invalid.mlir": INVALID,
    }
    for path in files:
        if path.exists():
            sys.exit(f"error: {path} exists")
    declarations.write_text(text.replace(end, TABLEGEN.format(**fields) + end))
    print(declarations.relative_to(root))
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.format(**fields))
        print(path.relative_to(root))


if __name__ == "__main__":
    main()
