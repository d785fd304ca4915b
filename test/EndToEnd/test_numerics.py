"""Kernels against references of more precision: the bounds of docs/generated/numerics.md.

pytest test/EndToEnd/test_numerics.py --build build/release -k f32
"""

from __future__ import annotations

import pytest
from numerics import table
from numerics.floats import FLOATS


@pytest.mark.parametrize("kind", FLOATS)
def test_functions_of_one_element(accordion, kind):
    rows, moved = table.measure_functions(accordion, FLOATS[kind])
    assert not [row.problem for row in rows if row.problem]
    assert not moved, f"results that depend on the place of the element: {moved}"


@pytest.mark.parametrize("kind", FLOATS)
def test_sums(accordion, kind):
    rows = table.measure_sums(accordion, FLOATS[kind])
    assert not [row.problem for row in rows if row.problem]


def test_the_table_states_these_bounds():
    assert table.read_bounds() == table.bounds(), "run build_tools/update_numerics.py"
