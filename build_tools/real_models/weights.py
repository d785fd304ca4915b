"""Readers of the containers in which the packages hold weights: safetensors, PyTorch's old pickle, GGUF."""

from __future__ import annotations

import collections
import json
import pickle
import struct

import numpy as np


def read_safetensors(path) -> dict[str, np.ndarray]:
    data = np.memmap(path, np.uint8, "r")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8 : 8 + length].tobytes())
    kinds = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
    base, tensors = 8 + length, {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            raw = data[base + begin : base + end].tobytes()
            tensors[name] = np.frombuffer(raw, kinds[entry["dtype"]]).reshape(entry["shape"])
    return tensors


class _TensorsOnly(pickle.Unpickler):
    """Makes containers and tensor descriptions, and refuses whatever else a pickle may ask for."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, *_: (storage, offset, shape)
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")

    def persistent_load(self, description):
        return description[2]  # the storage's key


def read_old_torch(path, section: str) -> dict[str, np.ndarray]:
    """Float tensors of a file that `torch.save` wrote before it used zip files."""
    with open(path, "rb") as file:
        for _ in range(3):  # magic number, protocol, facts about the machine
            _TensorsOnly(file).load()
        state = _TensorsOnly(file).load()[section]
        storages = {}
        for key in _TensorsOnly(file).load():
            (count,) = struct.unpack("<q", file.read(8))
            storages[key] = np.frombuffer(file.read(4 * count), "<f4")
    return {
        name: storages[key][offset : offset + int(np.prod(shape))].reshape(shape)
        for name, (key, offset, shape) in state.items()
    }


class Gguf:
    """Metadata and tensors of a GGUF file; block formats F32, Q4_1 and Q8_0."""

    _SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    F32, Q4_1, Q8_0 = 0, 3, 8

    def __init__(self, path):
        self.data = np.memmap(path, np.uint8, "r")
        self._at = 0
        assert bytes(self._take(4)) == b"GGUF"
        self._scalar("I")
        tensors, entries = self._scalar("Q"), self._scalar("Q")
        self.metadata = {}
        for _ in range(entries):
            key = self._string()
            self.metadata[key] = self._value(self._scalar("I"))
        self.tensors = {}
        for _ in range(tensors):
            name = self._string()
            shape = tuple(self._scalar("Q") for _ in range(self._scalar("I")))[::-1]
            self.tensors[name] = (shape, self._scalar("I"), self._scalar("Q"))
        alignment = self.metadata.get("general.alignment", 32)
        self._base = -(-self._at // alignment) * alignment

    def _take(self, count):
        self._at += count
        return self.data[self._at - count : self._at]

    def _scalar(self, code):
        return struct.unpack("<" + code, self._take(struct.calcsize("<" + code)).tobytes())[0]

    def _string(self):
        return self._take(self._scalar("Q")).tobytes().decode("utf8", "replace")

    def _value(self, kind):
        if kind == 8:
            return self._string()
        if kind == 9:
            element, count = self._scalar("I"), self._scalar("Q")
            return [self._value(element) for _ in range(count)]
        return self._scalar(self._SCALARS[kind])

    def kind(self, name) -> int:
        return self.tensors[name][1]

    def blocks(self, name):
        """The parts as stored: (float array), or (quantised [rows, columns], scale [rows, blocks]) with the minimum
        [rows, blocks] as a third part for Q4_1. A block is 32 elements of a row."""
        shape, kind, offset = self.tensors[name]
        record = {
            self.F32: np.dtype("<f4"),
            self.Q4_1: np.dtype([("scale", "<f2"), ("minimum", "<f2"), ("bits", "u1", 16)]),
            self.Q8_0: np.dtype([("scale", "<f2"), ("bits", "i1", 32)]),
        }[kind]
        count = int(np.prod(shape)) // (1 if kind == self.F32 else 32)
        begin = self._base + offset
        stored = np.frombuffer(self.data[begin : begin + count * record.itemsize].tobytes(), record)
        if kind == self.F32:
            return (stored.reshape(shape),)
        scale = stored["scale"].astype(np.float32).reshape(shape[0], -1)
        if kind == self.Q8_0:
            return stored["bits"].reshape(shape), scale
        quantised = np.concatenate([stored["bits"] & 15, stored["bits"] >> 4], axis=1).reshape(shape)
        return quantised, scale, stored["minimum"].astype(np.float32).reshape(shape[0], -1)

    def dense(self, name) -> np.ndarray:
        shape = self.tensors[name][0]
        parts = self.blocks(name)
        if len(parts) == 1:
            return parts[0]
        value = parts[0].reshape(shape[0], -1, 32).astype(np.float32) * parts[1][..., None]
        if len(parts) == 3:
            value = value + parts[2][..., None]
        return value.reshape(shape)
