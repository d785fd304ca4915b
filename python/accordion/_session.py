"""A compiled model, ready to run."""

from __future__ import annotations

import os
from typing import NamedTuple

from accordion import _ac

# How ONNX Runtime spells element types, which callers of `get_inputs` know.
_SPELLING = {
    "f16": "float16", "bf16": "bfloat16", "f32": "float", "f64": "double", "bool": "bool",
    "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
}  # fmt: skip


class Value(NamedTuple):
    """An input or output: `shape` holds a number for each known dimension, a name or None for the others."""

    name: str
    type: str
    shape: list


class Budget(NamedTuple):
    """A number that the model leaves to its user; `type` is "f32" or "i64", `value` what the next runs will have."""

    name: str
    type: str
    value: float | int
    initial: float | int
    least: float | int
    most: float | int


class Site(NamedTuple):
    """A place in the model that decides how much is computed. The first of its counters counts opportunities (rows, runs,
    row-steps), each other how many of them were taken; `flops` is the cost of one, 0 if it is free, -1 if not known."""

    name: str
    kind: str
    counters: list[str]
    flops: list[int]


def _values(described) -> list[Value]:
    return [Value(name, f"tensor({_SPELLING[kind]})", list(shape)) for name, kind, shape in described]


class Session:
    """Runs one model. Several threads may call `run` at the same time."""

    def __init__(self, path, weights=None, threads: int | None = None):
        weights = None if weights is None else os.fspath(weights)
        self._session = _ac.Session(os.fspath(path), weights, threads or 0)
        self.run = self._session.run

    def run(self, output_names: list[str] | None, feeds: dict, *, budgets: dict[str, float] | None = None) -> list:
        """Arrays of the named outputs, or of all in graph order; `feeds` has an array for each input. `budgets` are set
        for this run alone."""
        raise NotImplementedError  # each instance has the extension's own

    def get_inputs(self) -> list[Value]:
        return _values(self._session.inputs())

    def get_outputs(self) -> list[Value]:
        return _values(self._session.outputs())

    def get_budgets(self) -> list[Budget]:
        """The budgets of the model with the values that the next runs will have."""
        return [Budget(*budget) for budget in self._session.budgets()]

    def set_budget(self, name: str, value: float) -> None:
        """Sets a budget for all runs that begin later, on any thread; a run that is under way keeps its own. `Error` for
        an unknown name, a value outside of the budget's range, NaN, and fractions where the type is i64."""
        self._session.set_budget(name, value)

    def get_sites(self) -> list[Site]:
        """The places in the model that count, in the order of the program."""
        return [Site(*site) for site in self._session.sites()]

    def stats(self) -> dict:
        """What the last run on the calling thread did: `seconds`, `budgets` (name to value), `sites` (name to counters, in
        the order of `get_sites`), `flops_done`, `flops_avoided`, and `flops_unknown`, true if something counted has a cost
        that is not known and is in neither sum. Runs on other threads, finished or not, do not change it. `Error` where
        this thread has not run the session or its last run failed."""
        return self._session.stats()


def load(path, weights=None, threads: int | None = None) -> Session:
    """Opens a shared object or executable of `ac-compile`. `weights` is its weights file, where it has one beside it and
    that was moved; `threads` is one per core unless given."""
    return Session(path, weights, threads)
