"""Convolutions whose columns the kernels copy as they pass by, and pairs of them that leave panels for each other
(`ac-pack-columns`), against ONNX Runtime: images of less than a panel, of whole panels, of several groups of panels; rows
that fill no tile; batches; steps that depend on one another through epilogues."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from conftest import furthest
from onnx import TensorProto, helper, numpy_helper
from programs import seeded

# Pixels: one, fewer than a vector, fewer than a panel, a panel, one more, several panels, several groups of them.
IMAGES = [(1, 1), (3, 5), (5, 7), (8, 8), (5, 13), (12, 31), (30, 33)]
TARGETS = ["native", "x86-64-v3", "x86-64-v4"]


@pytest.fixture(params=TARGETS)
def march(request):
    flags = set(open("/proc/cpuinfo").read().split())
    if request.param != "native" and not {"x86-64-v3": {"avx2"}, "x86-64-v4": {"avx512vl"}}[request.param] <= flags:
        pytest.skip("this machine lacks the target's instructions")
    return request.param


def network(name, layers, channels, element=TensorProto.FLOAT):
    """Convolutions behind each other: (channels, window, stride, relu, name of what is added, or None)."""
    rng, nodes, weights, value = seeded("image", name), [], {}, "x"
    for i, (width, window, stride, relu, added) in enumerate(layers):
        kind = helper.tensor_dtype_to_np_dtype(element)
        depth = channels * window * window
        weights[f"w{i}"] = (rng.standard_normal((width, channels, window, window)) / np.sqrt(depth)).astype(kind)
        weights[f"b{i}"] = rng.standard_normal(width).astype(kind)
        pads = [window // 2] * 4
        nodes.append(helper.make_node("Conv", [value, f"w{i}", f"b{i}"], [f"c{i}"], pads=pads, strides=[stride] * 2))
        value, channels = f"c{i}", width
        if relu:
            nodes.append(helper.make_node("Relu", [value], [f"r{i}"]))
            value = f"r{i}"
        if added:
            nodes.append(helper.make_node("Add", [value, added], [f"a{i}"]))
            value = f"a{i}"
    nodes.append(helper.make_node("Identity", [value], ["y"]))
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", element, ["n", layers_in(weights), "h", "w"])],
        [helper.make_tensor_value_info("y", element, ["n", None, None, None])],
        [numpy_helper.from_array(w, n) for n, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def layers_in(weights):
    return weights["w0"].shape[1]


NETWORKS = {
    "one": ([(45, 1, 1, True, None)], 96),
    "rows of two tasks, the last of two rows": ([(386, 1, 1, False, None)], 48),
    "rows of two tasks, the last of a tile": ([(390, 1, 1, True, None)], 41),
    "windows": ([(48, 3, 1, True, None)], 24),
    "windows with a stride": ([(50, 3, 2, False, None)], 16),
    "two layers": ([(192, 1, 1, True, None), (64, 1, 1, False, None)], 64),
    "two layers around the input": ([(192, 1, 1, True, None), (64, 1, 1, False, "x")], 64),
    "a residual inside": ([(64, 1, 1, True, "x"), (70, 1, 1, False, None)], 64),
    "three layers": ([(100, 1, 1, True, None), (101, 1, 1, True, None), (40, 1, 1, False, None)], 64),
    "windows, then pixels": ([(64, 3, 1, True, None), (96, 1, 1, False, None)], 16),
}


class Formula:
    """Windows of one pixel, which ONNX Runtime has for f32 alone."""

    def __init__(self, model):
        self.layers = NETWORKS[model.graph.name][0]
        self.weights = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}

    def run(self, _, feeds):
        value = feeds["x"]
        for i, (_, _, _, relu, added) in enumerate(self.layers):
            value = np.einsum("oc,nchw->nohw", self.weights[f"w{i}"][:, :, 0, 0], value)
            value = value + self.weights[f"b{i}"][:, None, None]
            value = np.maximum(value, 0) if relu else value
            value = value + feeds[added] if added else value
        return [value]


def check(accordion, model, tolerance, dtype=np.float32, **options):
    compiled = accordion.compile(model, **options)
    if dtype == np.float32:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    else:
        session = Formula(model)
    channels = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    for height, width in IMAGES:
        x = seeded("pixels", height, width).standard_normal((3, channels, height, width)).astype(dtype)
        want = session.run(None, {"x": x})
        got = compiled.run(None, {"x": x})
        assert furthest(got, want) < tolerance, f"{height} x {width}"
        # An image of a batch has the bits that it has alone.
        alone = compiled.run(None, {"x": x[1:2]})
        assert np.array_equal(alone[0], got[0][1:2]), f"{height} x {width} alone"


@pytest.mark.parametrize("name", NETWORKS)
def test_images(accordion, march, name):
    check(accordion, network(name, *NETWORKS[name]), 1e-5, march=march)


@pytest.mark.parametrize("name", ["one", "two layers around the input"])
def test_doubles(accordion, name):
    model = network(name, *NETWORKS[name], element=TensorProto.DOUBLE)
    check(accordion, model, 1e-13, dtype=np.float64)


@pytest.mark.parametrize("name", ["one", "windows", "a residual inside"])
def test_by_halide(accordion, tools, tmp_path, monkeypatch, name):
    if not (tools.bin / "ac-halide-generate").exists():
        pytest.skip("Halide is not built")
    monkeypatch.setenv("AC_KERNEL_CACHE", str(tmp_path))
    check(accordion, network(name, *NETWORKS[name]), 1e-5, kernels="halide")


WINDOWS = {
    "3x3": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "group": 96},
    "3x3 with a stride": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "group": 96},
    "5x5 with a stride": {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2], "strides": [2, 2], "group": 96},
    "5x1, apart": {"kernel_shape": [5, 1], "dilations": [3, 1], "pads": [6, 0, 6, 0], "group": 96},
    "below alone": {"kernel_shape": [3, 3], "group": 96},
    "far between": {"kernel_shape": [2, 2], "strides": [5, 3], "group": 96},
    "maxima": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 1]},
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_of_strips(accordion, name):
    """Windows of an image that a product makes strip by strip: images of one strip, of several, of rows that are left."""
    rng, attributes = seeded("strips", name), WINDOWS[name]
    weights = {"w": rng.standard_normal((96, 16, 1, 1)).astype(np.float32)}
    if "group" in attributes:
        weights["v"] = rng.standard_normal((96, 1, *attributes["kernel_shape"])).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv" if "v" in weights else "MaxPool", ["r", *(["v"] if "v" in weights else [])], ["y"], **attributes),
    ]
    graph = helper.make_graph(
        nodes,
        "strips",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 96, None, None])],
        [numpy_helper.from_array(w, n) for n, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    compiled = accordion.compile(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch, height, width in [(1, 14, 9), (2, 16, 16), (1, 97, 256), (1, 64, 70), (3, 41, 130), (1, 300, 17)]:
        x = seeded("pixels", height, width).standard_normal((batch, 16, height, width)).astype(np.float32)
        want = session.run(None, {"x": x})
        assert furthest(compiled.run(None, {"x": x}), want) < 1e-5, f"{batch} x {height} x {width}"


def test_nothing_of_a_panel_stays(accordion):
    """What is not finite in one image, or behind its last column, reaches no other."""
    model = network("leak", [(64, 1, 1, True, None), (64, 1, 1, False, None)], 64)
    compiled = accordion.compile(model)
    x = seeded("leak").standard_normal((2, 64, 5, 13)).astype(np.float32)
    want = compiled.run(None, {"x": x})[0]
    x[0] = np.nan
    got = compiled.run(None, {"x": x})[0]
    assert np.isnan(got[0]).all() and np.array_equal(got[1], want[1])
