"""Models of a family: graphs that share one file of weights, and the pieces of transformers that they are made of.

A weight's values follow from its name alone, so that all forms of a model have the same ones, on every machine.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from real_models.graph import BOOL, FLOAT, INT64, Graph

OPSET, IR = 20, 9
# Below this a tensor stays in the model's file.
SMALL = 1024


def seeded(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(name, *shape, scale=None):
    """Normal values; of a matrix so scaled that a product keeps the size of its rows."""
    if scale is None:
        scale = shape[-2] ** -0.5 if len(shape) > 1 else 1.0
    return seeded(name).standard_normal(shape, dtype=np.float32) * np.float32(scale)


class WeightsFile:
    """External data of all models of a folder; a weight of one name is written once."""

    NAME = "weights.bin"

    def __init__(self, folder: Path):
        self.folder, self._places = folder, {}
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / self.NAME, "wb")

    def tensor(self, name, make) -> onnx.TensorProto:
        if name not in self._places:
            array = np.ascontiguousarray(make())
            self._file.write(bytes(-self._file.tell() % 4096))
            self._places[name] = self._file.tell(), array.shape, array.dtype, array.nbytes
            self._file.write(array.tobytes())
        offset, shape, dtype, length = self._places[name]
        tensor = onnx.TensorProto(name=name, dims=shape, data_type=helper.np_dtype_to_tensor_dtype(dtype))
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", self.NAME), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor

    def close(self):
        self._file.close()


class Builder(Graph):
    """A graph whose weights are in a file; `body` starts a subgraph, which sees the values around it."""

    def __init__(self, weights: WeightsFile, prefix: str = "", root: Builder | None = None):
        super().__init__(prefix)
        self._weights, self._root, self._named, self.kinds = weights, root or self, set(), []

    def body(self, prefix: str) -> Builder:
        return Builder(self._weights, prefix, self._root)

    def weight(self, name, make) -> str:
        """The weight of that name, which `make` computes where it is new."""
        root = self._root
        if name not in root._named:
            root._named.add(name)
            root.tensor(self._weights.tensor(name, make))
        return name

    def constant(self, value, name=None):
        if self._root is self or isinstance(value, str):
            return super().constant(value, name)
        # In a body constants are nodes, as exporters write them.
        array = np.asarray(np.float32(value) if isinstance(value, float) else value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._small:
            self._small[key] = self("Constant", value=numpy_helper.from_array(array))
        return self._small[key]

    def subgraph(self, name, inputs, outputs):
        """A body as a graph; `inputs` and `outputs` are (name, type, dimensions)."""
        value = lambda item: helper.make_tensor_value_info(*item)
        return helper.make_graph(self.nodes, name, list(map(value, inputs)), list(map(value, outputs)))

    def save(self, path: Path, inputs: dict, outputs: dict):
        """`inputs` and `outputs` map a name to (type, dimensions)."""
        model = self.model(path.stem, inputs, outputs, OPSET, IR)
        model.graph.value_info.extend(helper.make_tensor_value_info(*kind) for kind in self.kinds)
        contrib = any(node.domain for node in self.nodes)
        if contrib:
            model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        onnx.save(model, path)
        onnx.shape_inference.infer_shapes_path(path, path, data_prop=True)
        if not contrib:
            onnx.checker.check_model(path)


def linear(g, x, name, inner, outer, bias=True):
    y = g("MatMul", x, g.weight(f"{name}.w", lambda: normal(f"{name}.w", inner, outer)))
    return g("Add", y, g.weight(f"{name}.b", lambda: normal(f"{name}.b", outer, scale=0.02))) if bias else y


def layer_norm(g, x, name, width):
    gain = g.weight(f"{name}.gain", lambda: 1 + normal(f"{name}.gain", width, scale=0.02))
    bias = g.weight(f"{name}.bias", lambda: normal(f"{name}.bias", width, scale=0.02))
    return g("LayerNormalization", x, gain, bias, axis=-1, epsilon=1e-5)


def perceptron(g, x, name, width, hidden, outer=None):
    return linear(g, g("Gelu", linear(g, x, f"{name}.up", width, hidden)), f"{name}.down", hidden, outer or width)


def attention(g, q, k, v, rows, keys, heads, width):
    """Softmax attention of `rows` queries (-1: as many as there are) over `keys` keys, all as [rows, width]."""
    head = width // heads
    split = lambda x, n, order: g("Transpose", g("Reshape", x, [n, heads, head]), perm=order)
    scores = g("MatMul", g("Mul", split(q, rows, [1, 0, 2]), float(head**-0.5)), split(k, keys, [1, 2, 0]))
    mixed = g("MatMul", g("Softmax", scores, axis=-1), split(v, keys, [1, 0, 2]))
    return g("Reshape", g("Transpose", mixed, perm=[1, 0, 2]), [rows, width])


def self_attention(g, x, name, rows, width, heads):
    """The residual half of a layer with its normalisation before."""
    n = layer_norm(g, x, f"{name}.ln1", width)
    q, k, v = (linear(g, n, f"{name}.{p}", width, width) for p in "qkv")
    return g("Add", x, linear(g, attention(g, q, k, v, rows, rows, heads, width), f"{name}.o", width, width))


def layer(g, x, name, rows, width, hidden, heads):
    x = self_attention(g, x, name, rows, width, heads)
    return g("Add", x, perceptron(g, layer_norm(g, x, f"{name}.ln2", width), f"{name}.mlp", width, hidden))


def self_attention_flops(rows, width):
    return rows * 4 * 2 * width * width + 4 * rows * rows * width


__all__ = [
    "BOOL", "FLOAT", "INT64", "Builder", "WeightsFile", "attention", "layer", "layer_norm", "linear", "normal",
    "perceptron", "seeded", "self_attention", "self_attention_flops",
]  # fmt: skip
