#!/usr/bin/env python3
"""Measures the errors of a build's kernels and writes docs/generated/numerics.md.

update_numerics.py --build build/release [--only f32,f16] [--print]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build" / "release", help="build folder to measure")
    parser.add_argument("--only", help="types, by commas; the table is then not written")
    parser.add_argument("--print", action="store_true", help="print the table instead of writing it")
    options = parser.parse_args()
    sys.path[:0] = [str(options.build.resolve() / "python"), str(REPOSITORY / "test" / "EndToEnd")]
    import accordion
    from numerics import table
    from numerics.floats import FLOATS

    measured, problems = {}, []
    for name in options.only.split(",") if options.only else FLOATS:
        rows, moved = table.measure_functions(accordion, FLOATS[name])
        groups = {"Function": rows, "Sum": table.measure_sums(accordion, FLOATS[name])}
        problems += [f"{name}: {row.problem}" for rows in groups.values() for row in rows if row.problem]
        problems += [f"{name}: depends on the place of the element: {moved}"] if moved else []
        measured[name] = groups
    text = table.write(measured)
    if options.only or options.print:
        print(text)
    else:
        table.TABLE.write_text(text)
    for problem in problems:
        print(f"beyond its bound: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
