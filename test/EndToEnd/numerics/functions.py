"""Functions of one element: the nodes, the formula, and by how many units in the last place a result may be off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from onnx import helper

from .floats import Float, adversarial, in_ulps, patterns, round_to, ulp


def erf(x):
    if x.dtype != np.longdouble:
        return np.frompyfunc(math.erf, 1, 1)(x).astype(np.float64)
    # exp(-x^2) times a series of terms of one sign; behind 6.5 nothing of the difference to one is left.
    inside = np.clip(np.nan_to_num(x, posinf=7, neginf=-7), -6.5, 6.5)
    term = total = inside
    for n in range(1, 200):
        term = term * (2 * inside * inside / (2 * n + 1))
        total = total + term
    result = 2 / np.sqrt(np.arctan(np.longdouble(1)) * 4) * np.exp(-inside * inside) * total
    return np.where(np.abs(inside) >= 6.5, np.sign(inside), np.where(np.isnan(x), x, result))


def normal_share(x):
    """The share of a normal distribution below x, accurate where it is small (in double precision)."""
    if x.dtype == np.longdouble:
        return (1 + erf(x / np.sqrt(np.longdouble(2)))) / 2
    return np.frompyfunc(math.erfc, 1, 1)(-x / np.sqrt(2)).astype(np.float64) / 2


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu_tanh(x):
    root = np.sqrt(1 / (2 * np.arctan(x.dtype.type(1))))
    return x * sigmoid(2 * root * (x + x.dtype.type(0.044715) * x * x * x))


def below_zero(x, curve):
    return np.where(x > 0, x, curve(x))


@dataclass
class Function:
    """Nodes (operator, operands, attributes) from `x` (and `y`) on, each from the result `_` of the one before.

    unit    what `bound` counts: units in the last place of the `result`; of the larger of result and `argument`, where the
            result is the argument times a difference that may cancel; or of the result, but at least the `smallest`
            number times the argument, where the argument is multiplied by what may be below the normal numbers
    """

    name: str
    nodes: list[tuple[str, list[str], dict]]
    reference: Callable
    bound: dict[str, float] = field(default_factory=dict)
    unit: str = "result"

    def limit(self, kind: Float) -> float:
        # 16-bit floats are computed in single precision and rounded once: half a unit and a little.
        return self.bound.get(kind.name, 2 if kind.width >= 32 else 0.51)


def unary(name, op, reference, bound=None, unit="result", **attributes):
    return Function(name, [(op, ["x"], attributes)], reference, bound or {}, unit)


FUNCTIONS = [
    unary("Exp", "Exp", np.exp),
    unary("Log", "Log", np.log),
    unary("Tanh", "Tanh", np.tanh),
    unary("Erf", "Erf", erf),
    unary("Sigmoid", "Sigmoid", sigmoid),
    unary("Gelu", "Gelu", lambda x: x * normal_share(x), unit="argument"),
    unary("Gelu (tanh)", "Gelu", gelu_tanh, unit="argument", approximate="tanh"),
    unary("Swish", "Swish", lambda x: x * sigmoid(x), {"f64": 2.5}, "smallest"),
    unary("Softplus", "Softplus", softplus),
    unary("Mish", "Mish", lambda x: x * np.tanh(softplus(x)), {"f64": 4.5}, "smallest"),
    unary("Elu", "Elu", lambda x: below_zero(x, np.expm1), {"f64": 3}),
    unary("Softsign", "Softsign", lambda x: x / (1 + np.abs(x))),
    unary("Sin", "Sin", np.sin),
    unary("Cos", "Cos", np.cos),
    unary("Tan", "Tan", np.tan),
    unary("Asin", "Asin", np.arcsin),
    unary("Acos", "Acos", np.arccos),
    unary("Atan", "Atan", np.arctan),
    unary("Sinh", "Sinh", np.sinh),
    unary("Cosh", "Cosh", np.cosh),
    unary("Asinh", "Asinh", np.arcsinh),
    unary("Acosh", "Acosh", np.arccosh),
    unary("Atanh", "Atanh", np.arctanh),
    unary("Sqrt", "Sqrt", np.sqrt, {"f32": 0.5, "f64": 0.5}),
    unary("Reciprocal", "Reciprocal", lambda x: 1 / x, {"f32": 0.5, "f64": 0.5}),
    # Rounded twice, in 16 bits as well.
    Function(
        "Reciprocal of Sqrt",
        [("Sqrt", ["x"], {}), ("Reciprocal", ["_"], {})],
        lambda x: 1 / np.sqrt(x),
        {"f16": 1.5, "bf16": 1.5},
    ),
    Function("Pow 2", [("Pow", ["x", "two"], {})], np.square, {"f32": 0.5, "f64": 0.5}),
    Function("Pow 0.5", [("Pow", ["x", "half"], {})], np.sqrt),
    Function("Pow", [("Pow", ["x", "y"], {})], np.power),
]


def make_model(kind: Float):
    """One model of all functions of `x` and `y`, with one result for each."""
    nodes, results = [], []
    for i, f in enumerate(FUNCTIONS):
        previous = ""
        for j, (op, operands, attributes) in enumerate(f.nodes):
            result = f"{i}" if j == len(f.nodes) - 1 else f"{i}.{j}"
            names = [previous if name == "_" else name for name in operands]
            nodes.append(helper.make_node(op, names, [result], name=f.name, **attributes))
            previous = result
        results.append(helper.make_tensor_value_info(previous, kind.onnx, ["n"]))
    inputs = [helper.make_tensor_value_info(name, kind.onnx, ["n"]) for name in "xy"]
    numbers = [helper.make_tensor(name, kind.onnx, [], [value]) for name, value in (("two", 2.0), ("half", 0.5))]
    graph = helper.make_graph(nodes, "functions", inputs, results, numbers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10)


def sample(kind: Float) -> tuple[np.ndarray, np.ndarray]:
    """Arguments: all of 16 bits, every 4099th of f32 and 2^15 over all of f64, the adversarial ones, and those around zero.
    Exponents for them, of a size that leaves some powers finite."""
    stride = {16: 1, 32: 4099, 64: (1 << 49) + 12345678901}[kind.width]
    rng = np.random.default_rng(0)
    near = rng.uniform(-20, 20, 1 << 17 if kind.width < 64 else 1 << 14)
    x = np.concatenate([patterns(kind, stride), adversarial(kind), round_to(kind, near)])
    y = rng.standard_normal(len(x)) * 10 ** rng.uniform(-2, 1.5, len(x))
    y[:: len(x) // 64] = 2.0 * rng.integers(-3, 4, len(y[:: len(x) // 64]))
    return x, round_to(kind, y)


@dataclass
class Error:
    """The largest error of a function, the argument where it is, and arguments whose result is of the wrong kind."""

    most: float
    at: float
    wrong: np.ndarray


def measure(kind: Float, f: Function, x: np.ndarray, y: np.ndarray, got: np.ndarray) -> Error:
    with np.errstate(all="ignore"):
        wide = x.astype(kind.wide)
        operands = [wide, y.astype(kind.wide)] if f.reference is np.power else [wide]
        want = f.reference(*operands)
        errors, wrong = in_ulps(kind, got, want)
        if f.unit == "argument":
            errors *= ulp(kind, want) / ulp(kind, np.fmax(np.abs(want), np.abs(wide)))
        elif f.unit == "smallest":
            errors *= ulp(kind, want) / np.fmax(ulp(kind, want), np.abs(wide) * kind.wide(kind.info.smallest_subnormal))
    errors = np.where(np.isfinite(errors), errors, 0)
    worst = int(np.argmax(errors))
    return Error(float(errors[worst]), float(x[worst]), x[wrong])
