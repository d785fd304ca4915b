"""Learners and experts whose products are of bytes or of small floats: they are raised as those of f32 are, their products
stay narrow and read gathered rows, and they give the numbers of ONNX Runtime whether all rows, none or some take part."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import real_models
from adaptive import WIDTH, seeded
from conftest import furthest
from onnx import TensorProto
from real_models.graph import FLOAT, INT64, Graph

INNER = 40
BF16, F16 = TensorProto.BFLOAT16, TensorProto.FLOAT16


class SmallFloats:
    """Products of small floats, with casts at the borders. ONNX Runtime has no such products: there, operands that are
    rounded to them are multiplied in f32, and the result is rounded."""

    def __init__(self, kind, emulated):
        self.kind, self.emulated = kind, emulated
        self.element = {BF16: "xbf16>", F16: "xf16>"}[kind]

    def rounded(self, g, x):
        x = g("Cast", x, to=self.kind)
        return g("Cast", x, to=FLOAT) if self.emulated else x

    def layer(self, g, x, w, b):
        y = g("MatMul", x, self.rounded(g, w))
        y = self.rounded(g, y) if self.emulated else y
        y = g("Add", y, self.rounded(g, b))
        return self.rounded(g, y) if self.emulated else y

    def mlp(self, g, x, w1, b1, w2, b2):
        y = self.layer(g, g("Relu", self.layer(g, self.rounded(g, x), w1, b1)), w2, b2)
        return g("Cast", y, to=FLOAT)


def quantised(w, per_column):
    scale = np.abs(w).max(axis=0 if per_column else None) / np.float32(127)
    return np.clip(np.round(w / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


class Quantised:
    """QuantizeLinear and DequantizeLinear around products, as static quantisation writes them."""

    element = "xi8>"

    def __init__(self, per_column):
        self.per_column = per_column

    def layer(self, g, x, w, b):
        integers, scale = quantised(w, self.per_column)
        sx, zx = np.float32(0.04), np.uint8(117)
        x = g("DequantizeLinear", g("QuantizeLinear", x, sx, zx), sx, zx)
        w = g("DequantizeLinear", integers, scale, np.zeros(scale.shape, np.int8), **({"axis": 1} if scale.ndim else {}))
        return g("Add", g("MatMul", x, w), b)

    def mlp(self, g, x, w1, b1, w2, b2):
        return self.layer(g, g("Relu", self.layer(g, x, w1, b1)), w2, b2)


class Whole(Quantised):
    """MatMulInteger between a QuantizeLinear and a scale, with a zero point for each operand."""

    def layer(self, g, x, w, b):
        integers, scale = quantised(w, self.per_column)
        sx, zx = np.float32(0.04), np.uint8(117)
        shifted = (integers.astype(np.int32) + 128).astype(np.uint8)
        sums = g("MatMulInteger", g("QuantizeLinear", x, sx, zx), shifted, zx, np.uint8(128))
        return g("Add", g("Mul", g("Cast", sums, to=FLOAT), scale * sx), b)


KINDS = {
    "bf16": lambda emulated: SmallFloats(BF16, emulated),
    "f16": lambda emulated: SmallFloats(F16, emulated),
    "qdq": lambda emulated: Quantised(False),
    "qdq_columns": lambda emulated: Quantised(True),
    "integers": lambda emulated: Whole(True),
}


def parts(rng):
    weight = lambda *shape: (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
    return weight(WIDTH, INNER), weight(INNER), weight(INNER, WIDTH), weight(WIDTH)


def masked(g, kind, rng):
    """Rows whose gate is open go through an MLP."""
    gate = g("Greater", "gate", 0)
    g("Where", gate, kind.mlp(g, "x", *parts(rng)), "x", outputs="y")


def chain(g, kind, rng):
    """Of each row the first few learners are added to the row."""
    total = "x"
    for learner in range(3):
        taken = g("Cast", g("Greater", "gate", learner), to=FLOAT)
        total = g("Add", total, g("Mul", kind.mlp(g, "x", *parts(rng)), taken))
    g("Identity", total, outputs="y")


def experts(g, kind, rng):
    """Each row has a weight for each of three experts, which is zero for those that it does not choose."""
    total = None
    for expert in range(3):
        share = g("Mul", 0.5, g("Cast", g("Greater", "gate", expert), to=FLOAT))
        term = g("Mul", kind.mlp(g, "x", *parts(rng)), share)
        total = g("Add", total, term) if total else term
    g("Identity", total, outputs="y")


FORMS = {masked: "ac.masked_rows", chain: "ac.learner_chain", experts: "ac.moe_dispatch"}


def build(form, name, emulated):
    g = Graph()
    form(g, KINDS[name](emulated), seeded(form.__name__))
    model = g.model("narrow", {"x": (FLOAT, ["n", WIDTH]), "gate": (INT64, ["n", 1])}, {"y": (FLOAT, ["n", WIDTH])}, 20, 9)
    onnx.checker.check_model(model, full_check=True)
    return model


def feeds():
    rng = seeded("feeds")
    for count in (1, 13, 70):
        x = rng.standard_normal((count, WIDTH)).astype(np.float32)
        for gate in (np.zeros((count, 1)), np.full((count, 1), 3), rng.integers(0, 4, (count, 1))):
            yield {"x": x, "gate": gate.astype(np.int64)}


# Sums of other orders may round to the next number of the type: a last place of it, seen twice.
TOLERANCE = {"bf16": 2.0**-6, "f16": 2.0**-9, "qdq": 2e-2, "qdq_columns": 2e-2, "integers": 2e-2}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_agrees_with_onnx_runtime(form, name, accordion, tools, tmp_path):
    onnx.save(build(form, name, emulated=True), tmp_path / "emulated.onnx")
    onnx.save(build(form, name, emulated=False), tmp_path / "model.onnx")
    reference = real_models.onnx_runtime(tmp_path / "emulated.onnx")
    session = accordion.compile(tmp_path / "model.onnx", threads=1)
    for feed in feeds():
        got, want = session.run(None, feed), reference(feed)
        assert furthest(got, want) < TOLERANCE[name]
        # A number that lies between two bytes may go to the other one; few do.
        assert np.mean(np.abs(got[0] - want[0]) > 1e-2) < 2e-2
        # A row gets the same whatever others do.
        alone = {key: value[-1:] for key, value in feed.items()}
        assert session.run(None, alone)[0][0].tobytes() == got[0][-1].tobytes()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_stays_narrow(form, name, accordion, tools, tmp_path):
    """Raised, and all products are of the small type and read or write rows where they are."""
    onnx.save(build(form, name, emulated=False), tmp_path / "model.onnx")
    for stage in ("raise", "kernels"):
        tools.succeed("ac-compile", tmp_path / "model.onnx", f"--stop-after={stage}", "-o", tmp_path / f"{stage}.mlir")
    assert FORMS[form] + " " in (tmp_path / "raise.mlir").read_text()
    products = [line for line in (tmp_path / "kernels.mlir").read_text().splitlines() if "= ac.contract" in line]
    element = KINDS[name](False).element
    assert len(products) == (2 if form is masked else 6)
    for line in products:
        assert element in line.split("ins(")[1].split(")")[0].split(",")[-1], line
    assert any("lhs_rows" in line or "out_rows" in line for line in products)
