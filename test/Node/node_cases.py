"""The ONNX node tests as files, their values, and how close is close enough.

The tests are made by the `onnx` package itself (`onnx.backend.test.case.node`); they are written once to a folder in
the layout that ONNX uses for them, so that the command-line tools can be pointed at any of them:

    CASES/<name>/model.onnx
    CASES/<name>/test_data_set_<k>/{input,output}_<i>.pb
    CASES/index.json        name, operators, tolerances of each
"""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def base_name(case: str) -> str:
    """`test_x_expanded_ver18` is `test_x` with its function body in place of the operator."""
    return re.sub(r"_expanded.*$", "", case)


def _value_proto(value, type_proto, name):
    kind = type_proto.WhichOneof("value")
    if isinstance(value, onnx.TensorProto):
        return value
    if kind == "sequence_type":
        return numpy_helper.from_list(value, name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, name)
    if kind == "map_type":
        return numpy_helper.from_dict(value, name)
    return numpy_helper.from_array(np.asarray(value), name)


def read_value(path, type_proto):
    kind = type_proto.WhichOneof("value")
    data = Path(path).read_bytes()
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def write_cases(folder: Path) -> None:
    """Writes every case; `folder` appears under its name only when all of them are there."""
    from onnx.backend.test.case.node import collect_testcases

    partial = folder.with_name(folder.name + f".{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    index = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    for case in cases:
        graph = case.model.graph
        place = partial / case.name
        place.mkdir(parents=True)
        (place / "model.onnx").write_bytes(case.model.SerializeToString())
        for k, (inputs, outputs) in enumerate(case.data_sets):
            data = place / f"test_data_set_{k}"
            data.mkdir()
            for what, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
                for i, value in enumerate(values):
                    proto = _value_proto(value, infos[i].type, infos[i].name)
                    (data / f"{what}_{i}.pb").write_bytes(proto.SerializeToString())
        operators = sorted({(f"{n.domain}." if n.domain not in ("", "ai.onnx") else "") + n.op_type for n in graph.node})
        index.append({"name": case.name, "operators": operators, "rtol": case.rtol, "atol": case.atol})
    # The package makes a few cases from random data without fixing the seed, and in no fixed order.
    index.sort(key=lambda entry: entry["name"])
    (partial / "index.json").write_text(json.dumps(index, indent=0))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def load_index(folder: Path) -> list[dict]:
    if not (folder / "index.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_cases(folder)
    return json.loads((folder / "index.json").read_text())


def data_sets(case: Path) -> list[Path]:
    return sorted(case.glob("test_data_set_*"))


def load_data(model: onnx.ModelProto, folder: Path) -> tuple[dict, list]:
    """Feeds by name, and the expected outputs in graph order."""
    count = len(list(folder.glob("input_*.pb")))
    inputs = list(model.graph.input)
    if count < len(inputs):
        initialised = {t.name for t in model.graph.initializer}
        inputs = [v for v in inputs if v.name not in initialised]
    feeds = {v.name: read_value(folder / f"input_{i}.pb", v.type) for i, v in enumerate(inputs[:count])}
    outputs = [read_value(folder / f"output_{i}.pb", v.type) for i, v in enumerate(model.graph.output)]
    return feeds, outputs


def difference(got, want, rtol: float, atol: float, where: str = "") -> str | None:
    """None when `got` answers as `want`, else one line that tells them apart."""
    if len(got) != len(want):
        return f"{where}{len(got)} values, expected {len(want)}"
    for i, (g, w) in enumerate(zip(got, want)):
        here = f"{where}output {i}: "
        if isinstance(w, (list, tuple)):
            if not isinstance(g, (list, tuple)):
                return f"{here}a tensor, expected a sequence"
            text = difference(g, w, rtol, atol, here)
            if text:
                return text
            continue
        if w is None or g is None:
            if (w is None) != (g is None):
                return f"{here}{'no value' if g is None else 'a value'}, expected {'none' if w is None else 'one'}"
            continue
        g, w = np.asarray(g), np.asarray(w)
        if g.shape != w.shape:
            return f"{here}shape {g.shape}, expected {w.shape}"
        if w.dtype == object or w.dtype.kind in "US":
            text = lambda a: [x.decode() if isinstance(x, bytes) else str(x) for x in a.ravel()]
            if text(g) != text(w):
                return f"{here}strings differ"
            continue
        if g.dtype != w.dtype:
            return f"{here}type {g.dtype}, expected {w.dtype}"
        if w.dtype.kind == "V" or w.dtype.type.__module__ != "numpy":  # bfloat16 and narrower
            # One unit in the last of bfloat16's 8 places is more than what the case allows.
            tolerance = max(rtol, 2.0**-6) if w.dtype.name == "bfloat16" else rtol
            g, w = g.astype(np.float32), w.astype(np.float32)
        else:
            tolerance = rtol
        if w.dtype.kind == "b":
            wrong = g != w
        else:
            with np.errstate(all="ignore"):
                wrong = ~np.isclose(g, w, rtol=tolerance, atol=atol, equal_nan=True)
        if np.any(wrong):
            at = tuple(int(x) for x in np.argwhere(wrong)[0]) if w.ndim else ()
            return f"{here}{int(wrong.sum())} of {w.size} elements differ, first at {list(at)}: {g[at]}, expected {w[at]}"
    return None
