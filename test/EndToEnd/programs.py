"""Small programs of the compiler's own operations, as text, for tests that no ONNX model can be written for."""

from __future__ import annotations

import itertools
import re

import numpy as np


def declared(name, kind, symbols=()):
    """The attributes of an argument or result; dynamic dimensions have the names in `symbols`, and each of those behind
    the last is a size of its own."""
    dims = re.fullmatch(r"tensor<((?:[?\d]+x)*)\w+>", kind)[1].split("x")[:-1]
    names = itertools.chain(symbols, itertools.repeat(""))
    sizes = [f'"{next(names)}"' if size == "?" else size for size in dims]
    return f'{{onnx.name = "{name}", onnx.dims = [{", ".join(sizes)}]}}'


def constant(name, array):
    """`%name` as a constant of the program."""
    kind = f"tensor<{'x'.join(map(str, [*array.shape, '']))}{array.dtype.kind}{8 * array.itemsize}>"
    return f'    %{name} = onnx.Constant() {{value = dense<"0x{array.tobytes().hex()}"> : {kind}}} : () -> {kind}\n'


def program(body, inputs, outputs, symbols=()):
    """The text of a module: `inputs` and `outputs` are (name, type), outputs by the name of their value; `symbols` names
    the dynamic dimensions of all of them, from the first."""
    arguments = ", ".join(f"%{name}: {kind} {declared(name, kind, symbols)}" for name, kind in inputs)
    results = ", ".join(f"{kind} {declared(name, kind, symbols)}" for name, kind in outputs)
    values = ", ".join(f"%{name}" for name, _ in outputs)
    types = ", ".join(kind for _, kind in outputs)
    return f"""module attributes {{onnx.ir_version = 10 : i64, onnx.opset = {{ai.onnx = 20 : i64}}}} {{
  func.func @main({arguments}) -> ({results}) {{
{body}
    return {values} : {types}
  }}
}}
"""


def builder(accordion, folder):
    """A function that compiles a program and returns one from feeds to a dictionary of outputs."""
    numbers = itertools.count()

    def build(body, inputs, outputs, symbols=()):
        path = folder / f"{next(numbers)}.mlir"
        path.write_text(program(body, inputs, outputs, symbols))
        session = accordion.compile(path, threads=1)
        names = [name for name, _ in outputs]
        return lambda **feeds: dict(zip(names, session.run(None, feeds)))

    return build


def seeded(*key):
    return np.random.default_rng(sum(map(ord, "".join(map(str, key)))))


def softmax(x):
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
