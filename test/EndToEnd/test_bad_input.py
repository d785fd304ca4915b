"""Models and feeds that are not what they should be: one error that names what is wrong, status 1, nothing written."""

from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from real_models.graph import FLOAT, Graph


def small_model() -> onnx.ModelProto:
    rng, g = np.random.default_rng(1), Graph()
    hidden = g("Relu", g("MatMul", "x", rng.standard_normal((4, 8)).astype(np.float32)))
    g("Add", hidden, rng.standard_normal(8).astype(np.float32), outputs="y")
    return g.model("small", {"x": (FLOAT, ["n", 4])}, {"y": (FLOAT, ["n", 8])}, opset=17, ir=8)


@pytest.fixture
def refuse(tools, tmp_path):
    """Compiles the bytes of a model, which must fail; returns the error."""

    def attempt(data: bytes) -> str:
        (tmp_path / "model.onnx").write_bytes(data)
        text = tools.refuse("ac-compile", tmp_path / "model.onnx", "-o", tmp_path / "out.so", timeout=60)
        assert {p.name for p in tmp_path.iterdir()} <= {"model.onnx", "weights.bin"}, "a partial output was left"
        return text

    return attempt


def edited(edit) -> bytes:
    model = small_model()
    edit(model)
    return model.SerializeToString()


class TestModels:
    def test_missing_file(self, tools, tmp_path):
        text = tools.refuse("ac-compile", tmp_path / "none.onnx", "-o", tmp_path / "out.so")
        assert "none.onnx" in text

    def test_empty_file(self, refuse):
        refuse(b"")

    def test_not_a_model(self, refuse):
        refuse(b"#!/bin/sh\necho hello\n" * 100)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
    def test_truncated(self, refuse, share):
        data = small_model().SerializeToString()
        refuse(data[: int(len(data) * share)])

    def test_unknown_operator(self, refuse):
        def edit(model):
            model.graph.node[0].op_type = "Frobnicate"

        text = refuse(edited(edit))
        assert "Frobnicate" in text and "MatMul_1" in text

    def test_unknown_domain(self, refuse):
        def edit(model):
            model.graph.node[0].domain = "com.nobody"

        assert "com.nobody" in refuse(edited(edit))

    def test_undefined_value(self, refuse):
        def edit(model):
            model.graph.node[1].input[0] = "nowhere"

        assert "nowhere" in refuse(edited(edit))

    def test_cycle(self, refuse):
        def edit(model):
            model.graph.node[0].input[0] = model.graph.node[1].output[0]

        refuse(edited(edit))

    def test_output_never_made(self, refuse):
        def edit(model):
            model.graph.output[0].name = "z"

        assert "z" in refuse(edited(edit))

    def test_value_made_twice(self, refuse):
        def edit(model):
            model.graph.node[1].output[0] = model.graph.node[0].output[0]

        refuse(edited(edit))

    def test_initializer_shorter_than_it_says(self, refuse):
        def edit(model):
            model.graph.initializer[0].dims[0] = 400

        assert model_names(small_model())[0] in refuse(edited(edit))

    def test_initializer_of_negative_size(self, refuse):
        def edit(model):
            model.graph.initializer[0].dims[0] = -4

        refuse(edited(edit))

    def test_initializer_of_overflowing_size(self, refuse):
        def edit(model):
            model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]

        refuse(edited(edit))

    def test_shapes_that_do_not_agree(self, refuse):
        def edit(model):
            model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5

        assert "MatMul_1" in refuse(edited(edit))

    def test_output_type_lies(self, refuse):
        def edit(model):
            model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64

        refuse(edited(edit))

    def test_missing_attribute(self, refuse):
        def edit(model):
            model.graph.node.append(helper.make_node("Cast", ["y"], ["z"], name="no_target"))
            model.graph.output[0].name = "z"

        assert "no_target" in refuse(edited(edit))

    def test_opset_of_the_future(self, refuse):
        def edit(model):
            model.opset_import[0].version = 999

        assert "999" in refuse(edited(edit))

    def test_no_opset(self, refuse):
        def edit(model):
            del model.opset_import[:]

        refuse(edited(edit))

    @pytest.mark.parametrize("path", ["../weights.bin", "/etc/passwd", "weights.bin/../../x", "absent.bin"])
    def test_external_data_elsewhere(self, refuse, path):
        def edit(model):
            tensor = model.graph.initializer[0]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=path)

        refuse(edited(edit))

    @pytest.mark.parametrize(("offset", "length"), [(0, 128), (1 << 40, 128), (-8, 128), (0, 1 << 40)])
    def test_external_data_too_short(self, refuse, tmp_path, offset, length):
        (tmp_path / "weights.bin").write_bytes(bytes(64))

        def edit(model):
            tensor = model.graph.initializer[0]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", "weights.bin"), ("offset", offset), ("length", length)):
                tensor.external_data.add(key=key, value=str(value))

        refuse(edited(edit))

    def test_all_refusals_at_once(self, refuse):
        """Every node that cannot be lowered is listed, not only the first."""
        g = Graph()
        for i in range(2):
            g("ImageDecoder", "x", outputs=f"picture_{i}")
        picture = (TensorProto.UINT8, [None, None, 3])
        outputs = {f"picture_{i}": picture for i in range(2)}
        text = refuse(g.model("pictures", {"x": (TensorProto.UINT8, ["n"])}, outputs, opset=20, ir=9).SerializeToString())
        assert "ImageDecoder_1" in text and "ImageDecoder_2" in text

    @pytest.mark.parametrize("seed", range(40))
    def test_flipped_bits_never_crash(self, tools, tmp_path, seed):
        """Either still a model, or refused."""
        rng, data = random.Random(seed), bytearray(small_model().SerializeToString())
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (tmp_path / "model.onnx").write_bytes(data)
        done = tools.run("ac-compile", tmp_path / "model.onnx", "-o", tmp_path / "out.so", timeout=60)
        assert done.returncode in (0, 1), done.stderr[-2000:]
        assert (done.returncode == 0) == (tmp_path / "out.so").exists()


def model_names(model):
    return [t.name for t in model.graph.initializer]


class TestFeeds:
    @pytest.fixture(scope="class")
    def session(self, accordion):
        return accordion.compile(small_model(), threads=1)

    @pytest.fixture(scope="class")
    def artefact(self, tools, tmp_path_factory):
        folder = tmp_path_factory.mktemp("feeds")
        onnx.save(small_model(), folder / "model.onnx")
        tools.succeed("ac-compile", folder / "model.onnx", "-o", folder / "model.so")
        return folder / "model.so"

    @pytest.mark.parametrize(
        ("feeds", "named"),
        [
            ({}, ["x"]),
            ({"y": np.zeros((2, 4), np.float32)}, ["x"]),
            ({"x": np.zeros((2, 4), np.float32), "z": np.zeros(1)}, ["z", "x"]),
            ({"x": np.zeros((2, 4), np.float64)}, ["x", "f64", "f32"]),
            ({"x": np.zeros((2, 4), np.int32)}, ["x", "i32", "f32"]),
            ({"x": np.zeros((2, 5), np.float32)}, ["x", "5", "4"]),
            ({"x": np.zeros(4, np.float32)}, ["x", "rank"]),
            ({"x": np.zeros((2, 4, 1), np.float32)}, ["x", "rank"]),
        ],
        ids=["none", "other name", "one too many", "f64", "i32", "dimension", "lower rank", "higher rank"],
    )
    def test_wrong_feeds(self, session, accordion, tools, artefact, tmp_path, feeds, named):
        with pytest.raises(accordion.Error) as failure:
            session.run(None, feeds)
        assert all(word in str(failure.value) for word in named), str(failure.value)

        if "z" in feeds:  # an archive may hold more than the inputs
            return
        np.savez(tmp_path / "in.npz", **feeds)
        text = tools.refuse("ac-run", artefact, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
        assert not (tmp_path / "out.npz").exists()
        assert all(word in text for word in named), text

    def test_unknown_output(self, session, accordion):
        with pytest.raises(accordion.Error, match="`z`.*`y`"):
            session.run(["z"], {"x": np.zeros((2, 4), np.float32)})

    def test_text_as_feed(self, session, accordion):
        with pytest.raises(accordion.Error, match="x"):
            session.run(None, {"x": "no array"})

    def test_right_feeds_after_wrong_ones(self, session, accordion):
        with pytest.raises(accordion.Error):
            session.run(None, {"x": np.zeros((2, 5), np.float32)})
        (y,) = session.run(None, {"x": np.zeros((2, 4), np.float32)})
        assert y.shape == (2, 8)

    def test_index_out_of_range(self, accordion):
        g = Graph()
        g("Gather", "x", "i", outputs="y")
        inputs = {"x": (FLOAT, ["n", 4]), "i": (TensorProto.INT64, ["m"])}
        model = g.model("gather", inputs, {"y": (FLOAT, ["m", 4])}, opset=17, ir=8)
        session = accordion.compile(model, threads=1)
        x = np.arange(8, dtype=np.float32).reshape(2, 4)
        for bad in (2, -3, 1 << 40):
            with pytest.raises(accordion.Error, match="Gather_1"):
                session.run(None, {"x": x, "i": np.array([0, bad])})
        (y,) = session.run(None, {"x": x, "i": np.array([-1, 0])})
        assert np.array_equal(y, x[[1, 0]])

    def test_shapes_that_do_not_broadcast(self, accordion):
        g = Graph()
        g("Add", "a", "b", outputs="y")
        inputs = {"a": (FLOAT, ["n"]), "b": (FLOAT, ["m"])}
        session = accordion.compile(g.model("add", inputs, {"y": (FLOAT, [None])}, opset=17, ir=8), threads=1)
        with pytest.raises(accordion.Error, match="Add_1"):
            session.run(None, {"a": np.zeros(2, np.float32), "b": np.zeros(3, np.float32)})

    def test_damaged_artefact(self, artefact, tools, tmp_path):
        data = artefact.read_bytes()
        for name, damage in (("short.so", data[: len(data) // 2]), ("empty.so", b""), ("text.so", b"no artefact\n")):
            (tmp_path / name).write_bytes(damage)
            tools.refuse("ac-run", tmp_path / name, "--info")
