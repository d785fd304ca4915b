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


def _values(described) -> list[Value]:
    return [Value(name, f"tensor({_SPELLING[kind]})", list(shape)) for name, kind, shape in described]


class Session:
    """Runs one model. Several threads may call `run` at the same time."""

    def __init__(self, path, weights=None, threads: int | None = None):
        weights = None if weights is None else os.fspath(weights)
        self._session = _ac.Session(os.fspath(path), weights, threads or 0)
        self.run = self._session.run

    def run(self, output_names: list[str] | None, feeds: dict) -> list:
        """Arrays of the named outputs, or of all in graph order; `feeds` has an array for each input."""
        raise NotImplementedError  # each instance has the extension's own

    def get_inputs(self) -> list[Value]:
        return _values(self._session.inputs())

    def get_outputs(self) -> list[Value]:
        return _values(self._session.outputs())


def load(path, weights=None, threads: int | None = None) -> Session:
    """Opens a shared object or executable of `ac-compile`. `weights` is its weights file, where it has one beside it and
    that was moved; `threads` is one per core unless given."""
    return Session(path, weights, threads)
