"""A small builder of ONNX graphs: `g("MatMul", a, b)` adds a node and returns the name of its output."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Operands are value names, None for an absent one, or anything numpy takes: that becomes an initialiser, a
    Python int or list of ints an int64 one and a float a float32 one."""

    def __init__(self, prefix: str = ""):
        self.nodes, self.initializers = [], []
        self._prefix, self._count, self._small = prefix, 0, {}

    def constant(self, value, name: str | None = None) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, float):
            value = np.float32(value)
        array = np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 and name is None else None
        if key in self._small:
            return self._small[key]
        name = name or f"{self._prefix}const_{len(self.initializers)}"
        self.tensor(numpy_helper.from_array(np.array(array, order="C"), name))
        if key:
            self._small[key] = name
        return name

    def tensor(self, proto: onnx.TensorProto) -> str:
        self.initializers.append(proto)
        return proto.name

    def __call__(self, operator: str, *operands, outputs=1, **attributes):
        """`outputs` is how many there are, or their names; one output is returned alone, several as a list."""
        self._count += 1
        label = f"{self._prefix}{operator}_{self._count}"
        if isinstance(outputs, int):
            names = [label] if outputs == 1 else [f"{label}.{i}" for i in range(outputs)]
        else:
            names = [outputs] if isinstance(outputs, str) else list(outputs)
        inputs = ["" if operand is None else self.constant(operand) for operand in operands]
        self.nodes.append(helper.make_node(operator, inputs, names, name=label, **attributes))
        return names[0] if len(names) == 1 else names

    def model(self, name, inputs: dict, outputs: dict, opset: int, ir: int) -> onnx.ModelProto:
        """`inputs` and `outputs` map a name to (element type, dimensions)."""
        value = lambda item: helper.make_tensor_value_info(item[0], *item[1])
        graph = helper.make_graph(
            self.nodes, name, list(map(value, inputs.items())), list(map(value, outputs.items())), self.initializers
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir, producer_name="accordion"
        )


FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
