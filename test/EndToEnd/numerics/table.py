"""What is measured of a build, and the table of it in docs/generated/numerics.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import functions, graphs, sums
from .floats import FLOATS, Float, round_to

TABLE = Path(__file__).resolve().parents[3] / "docs" / "generated" / "numerics.md"
UNITS = {"result": "ulp", "argument": "ulp of the argument", "smallest": "ulp, or argument times the smallest number"}


@dataclass
class Row:
    """One operator in one type. `wrong`: what is not a number of the right kind, in words."""

    name: str
    unit: str
    error: float
    bound: float
    wrong: str = ""

    @property
    def problem(self) -> str:
        if self.wrong:
            return f"{self.name}: {self.wrong}"
        return f"{self.name}: {self.error:.4g} {self.unit}, bound {self.bound:g}" if self.error > self.bound else ""


def measure_functions(accordion, kind: Float) -> tuple[list[Row], str]:
    """The rows, and in words where a result depends on the place of its element; of vectors and of what they leave."""
    session = accordion.compile(functions.make_model(kind), threads=2)
    x, y = functions.sample(kind)
    results = session.run(None, {"x": x, "y": y})
    rows, moved = [], []
    for f, got in zip(functions.FUNCTIONS, results):
        error = functions.measure(kind, f, x, y, got)
        wrong = f"wrong for {len(error.wrong)} arguments, as {error.wrong[:3].tolist()}" if len(error.wrong) else ""
        rows.append(Row(f.name, UNITS[f.unit], error.most, f.limit(kind), wrong))
    places = np.random.default_rng(1).choice(len(x), 61, replace=False)
    for f, few, all_ in zip(functions.FUNCTIONS, session.run(None, {"x": x[places], "y": y[places]}), results):
        bits = f"u{kind.width // 8}"
        if (few.view(bits) != all_[places].view(bits))[~np.isnan(few.astype(np.float64))].any():
            moved.append(f.name)
    return rows, ", ".join(moved)


def measure_sums(accordion, kind: Float) -> list[Row]:
    cases = [case for case in sums.cases() if kind.name in case.kinds]
    session = accordion.compile(graphs.make_model(kind, cases), threads=2)

    def run(inputs):
        feeds = {
            f"{number}/{name}": round_to(kind, array) if graphs.is_float(array) else array
            for number, arrays in enumerate(inputs)
            for name, array in arrays.items()
        }
        return session.run(None, feeds)

    special = [graphs.specials(kind, case, seed) for seed, case in enumerate(cases)]
    rows = []
    for case, got, odd, inputs in zip(cases, run([case.inputs for case in cases]), run(special), special):
        wrong = ""
        if case.special:
            exact = graphs.widened(kind, inputs)
            differs = np.ones(odd.shape, bool)
            for operands in [exact, graphs.flushed(kind, exact)] if case.flushes else [exact]:
                want = graphs.evaluate(case, operands, graphs.widened(kind, case.constants))
                differs &= graphs.classes(kind, odd) != graphs.classes(kind, want)
            wrong = f"{differs.sum()} of {odd.size} results are of the wrong kind" if differs.any() else ""
        rows.append(Row(case.name, "eps * scale", graphs.measure(kind, case, got), case.limit(kind), wrong))
    return rows


HEAD = """# Numerical errors

Written by `build_tools/update_numerics.py`; do not edit. `test/EndToEnd/test_numerics.py` measures the same and fails where
an error is beyond its bound.

The references are formulas in double precision (for f64, in extended precision) and, for operators that sum, ONNX's reference
implementation in double precision. *Functions of one element*: every value of f16 and bf16, every 4099th of f32 and 2^15 of
f64, values at which functions overflow or change their formula, denormals, zeros of both signs, infinities and NaN; in units
in the last place (ulp) of the exact result. *Sums*: in multiples of eps times the scale, which is the sum of |a| |b| for
sums of products, and the like where more happens (`scale` in `test/EndToEnd/numerics/sums.py`); eps is half a unit in the
last place of one. Infinities, NaN and denormals among the operands give what the reference gives, but that denormals may count as
zero in products and convolutions, where x86-64 flushes them.
"""


def write(measured: dict[str, dict[str, list[Row]]]) -> str:
    lines = [HEAD]
    for kind, groups in measured.items():
        lines.append(f"## {kind}\n")
        for title, rows in groups.items():
            lines += [f"| {title} | Largest error | Bound | Unit |", "|---|---:|---:|---|"]
            lines += [f"| {row.name} | {row.error:.2f} | {row.bound:g} | {row.unit} |" for row in rows]
            lines.append("")
    return "\n".join(lines)


def read_bounds() -> dict[tuple[str, str], float]:
    """The bounds in the table, by type and name."""
    bounds, kind = {}, ""
    for line in TABLE.read_text().splitlines():
        if line.startswith("## "):
            kind = line[3:]
        elif cells := re.fullmatch(r"\| (.+) \| [0-9.]+ \| ([0-9.e+]+) \| .+ \|", line):
            bounds[kind, cells[1]] = float(cells[2])
    return bounds


def bounds() -> dict[tuple[str, str], float]:
    result = {}
    for name, kind in FLOATS.items():
        rows = [*functions.FUNCTIONS, *(case for case in sums.cases() if name in case.kinds)]
        result |= {(name, row.name): float(f"{row.limit(kind):g}") for row in rows}
    return result
