"""Many cases in one model of one type, compiled once; references are the same nodes in double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from .floats import FLOATS, Float, round_to

OPSET = helper.make_opsetid("", 23)


@dataclass
class Case:
    """Nodes (operator, operands, attributes) from named inputs and constants. The result of the i-th is named `i`, that of
    the last is the case's.

    scale   what one unit of error is a multiple of: a function of inputs and constants by name, and of the result; unless
            given, the result of the same nodes for the absolute values of all, which is sum |a| |b| of a sum of products
    bound   by type, how many times eps * scale a result may be off; eps is half a unit in the last place of one
    special     whether infinities, NaN and denormals give what the reference gives
    flushes     whether denormals may count as zero, as in kernels of products on x86-64
    reference   a formula of inputs and constants by name, where ONNX's own implementation has not the precision
    """

    name: str
    nodes: list[tuple[str, list[str], dict]]
    inputs: dict[str, np.ndarray]
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    scale: Callable | None = None
    bound: dict[str, float] = field(default_factory=dict)
    kinds: tuple[str, ...] = tuple(FLOATS)
    special: bool = True
    flushes: bool = False
    reference: Callable | None = None

    def limit(self, kind: Float) -> float:
        # 16-bit floats are summed in single precision, and rounded once.
        return self.bound.get(kind.name, 1.01 if kind.width == 16 else self.bound["f32"])

    def graph_nodes(self, prefix=""):
        """The nodes with all names under `prefix`."""
        nodes = []
        for i, (op, operands, attributes) in enumerate(self.nodes):
            last = i == len(self.nodes) - 1
            names = [prefix + name if name else "" for name in operands]
            result = prefix + ("y" if last else str(i))
            nodes.append(helper.make_node(op, names, [result], name=f"{self.name} {i}", **attributes))
        return nodes


def is_float(array) -> bool:
    return np.asarray(array).dtype == np.float64


def element_type(kind: Float, array) -> int:
    return kind.onnx if is_float(array) else helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype)


def tensor(kind: Float, name: str, array):
    if not is_float(array):
        return numpy_helper.from_array(np.asarray(array), name)
    return helper.make_tensor(name, kind.onnx, array.shape, round_to(kind, array).tobytes(), raw=True)


def make_model(kind: Float, cases: list[Case]):
    """One model of all cases: inputs and results are named `<number>/<name>`."""
    nodes, inputs, results, weights = [], [], [], []
    for number, case in enumerate(cases):
        prefix = f"{number}/"
        nodes += case.graph_nodes(prefix)
        for name, array in case.inputs.items():
            inputs.append(helper.make_tensor_value_info(prefix + name, element_type(kind, array), array.shape))
        weights += [tensor(kind, prefix + name, array) for name, array in case.constants.items()]
        results.append(helper.make_tensor_value_info(prefix + "y", kind.onnx, None))
    graph = helper.make_graph(nodes, "numerics", inputs, results, weights)
    return helper.make_model(graph, opset_imports=[OPSET], ir_version=10)


def widened(kind: Float, arrays: dict) -> dict:
    """Floats as the model gets them: rounded to its type, in double precision."""
    return {n: round_to(kind, a).astype(np.float64) if is_float(a) else np.asarray(a) for n, a in arrays.items()}


def evaluate(case: Case, inputs: dict, constants: dict) -> np.ndarray:
    """The result by ONNX's own implementation in double precision."""
    if case.reference:
        with np.errstate(all="ignore"):
            return case.reference(**inputs, **constants)
    double = FLOATS["f64"]
    feeds = {**inputs, **constants}
    infos = [helper.make_tensor_value_info(n, element_type(double, a), np.shape(a)) for n, a in feeds.items()]
    result = helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)
    graph = helper.make_graph(case.graph_nodes(), "reference", infos, [result])
    model = helper.make_model(graph, opset_imports=[OPSET], ir_version=10)
    with np.errstate(all="ignore"):
        return np.asarray(ReferenceEvaluator(model).run(None, feeds)[0]).astype(np.float64)


def specials(kind: Float, case: Case, seed: int) -> dict:
    """The inputs with infinities, NaN and denormals sprinkled over a few places."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, array in case.inputs.items():
        array = np.array(array)
        if is_float(array) and array.size:
            flat = array.reshape(-1)
            for value in (np.inf, -np.inf, np.nan, float(kind.info.smallest_subnormal), -0.0, 0.0):
                flat[rng.integers(0, flat.size, 1 if value else 3)] = value
        result[name] = array
    return result


def flushed(kind: Float, arrays: dict) -> dict:
    """The same with zeros for denormals."""
    least = float(kind.info.smallest_normal)
    return {name: np.where(np.abs(a) < least, np.copysign(0.0, a), a) if is_float(a) else a for name, a in arrays.items()}


def classes(kind: Float, values: np.ndarray) -> np.ndarray:
    """0 for numbers, 1 for NaN, 2 and 3 for infinities; what would round to an infinity is one."""
    with np.errstate(all="ignore"):
        values = round_to(kind, values).astype(np.float64)
    return np.where(np.isnan(values), 1, np.where(np.isposinf(values), 2, np.where(np.isneginf(values), 3, 0)))


def measure(kind: Float, case: Case, got: np.ndarray) -> float:
    """The largest error in multiples of eps * scale."""
    inputs, constants = widened(kind, case.inputs), widened(kind, case.constants)
    want = evaluate(case, inputs, constants)
    assert got.shape == want.shape, f"{case.name}: shape {got.shape}, expected {want.shape}"
    if case.scale:
        scale = case.scale(want, **inputs, **constants)
    else:
        absolute = [{n: np.abs(a) if is_float(a) else a for n, a in arrays.items()} for arrays in (inputs, constants)]
        scale = evaluate(case, *absolute)
    least = float(kind.info.smallest_subnormal)
    assert np.isfinite(want).all() and np.isfinite(got.astype(np.float64)).all(), case.name
    return float(np.max(np.maximum(np.abs(got.astype(np.float64) - want) - least, 0) / (kind.eps * np.maximum(scale, 1e-300))))
