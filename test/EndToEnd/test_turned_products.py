"""Convolutions of small images, whose kernels take vectors of channels (`ac-turn-products`), against ONNX Runtime: lines of a
few pixels to more than a panel, channels that fill no vector, no panel or several, images of a batch, strides, gaps, what
is added behind; and more steps than are done at a time."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from conftest import furthest
from onnx import TensorProto, helper, numpy_helper
from programs import seeded


def convolution(shape, channels, window, stride=1, gap=1, adds=False):
    rng = seeded("turned", shape, channels, window)
    depth = shape[1] * window * window
    constants = {
        "w": (rng.standard_normal((channels, shape[1], window, window)) / np.sqrt(depth)).astype(np.float32),
        "b": rng.standard_normal(channels).astype(np.float32),
    }
    pads = [gap * (window // 2)] * 4
    conv = helper.make_node("Conv", ["x", "w", "b"], ["c"], strides=[stride] * 2, dilations=[gap] * 2, pads=pads)
    nodes = [conv, helper.make_node("Relu", ["c"], ["r"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    if adds:
        size = [(dim + 2 * pads[0] - gap * (window - 1) - 1) // stride + 1 for dim in shape[2:]]
        inputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [shape[0], channels, *size]))
    nodes.append(helper.make_node("Add", ["r", "z"], ["y"]) if adds else helper.make_node("Identity", ["r"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "turned",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def check(accordion, tools, tmp_path, model, threads=1, tolerance=5e-6):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    text = tmp_path / "kernels.mlir"
    tools.succeed("ac-compile", path, "--stop-after=kernels", "-o", text)
    feeds = {}
    for value in model.graph.input:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        feeds[value.name] = seeded("turned", value.name, dims).standard_normal(dims).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = accordion.compile(model, threads=threads).run(None, feeds)
    assert furthest(got, session.run(None, feeds)) < tolerance
    return " turned}" in text.read_text()


@pytest.fixture(scope="module", autouse=True)
def masks():
    if "avx512f" not in open("/proc/cpuinfo").read():
        pytest.skip("vectors of rows are for targets with masks")


@pytest.mark.parametrize("channels", [40, 48, 63, 64, 65, 130, 200])
@pytest.mark.parametrize("size", [(3, 8), (14, 14), (5, 17), (9, 33)])
def test_lines(size, channels, accordion, tools, tmp_path):
    is_turned = check(accordion, tools, tmp_path, convolution([2, 24, *size], channels, 3))
    assert is_turned or size[1] == 33 or channels in (40, 65)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 7), (6, 15), (10, 11)])
def test_pixels(size, threads, accordion, tools, tmp_path):
    is_turned = check(accordion, tools, tmp_path, convolution([3, 70, *size], 192, 1), threads)
    assert is_turned or size in ((1, 1), (10, 11))  # a row each, and nearly two panels


@pytest.mark.parametrize("form", [{"stride": 2}, {"gap": 2}, {"adds": True}, {"stride": 2, "adds": True}])
def test_forms(form, accordion, tools, tmp_path):
    assert check(accordion, tools, tmp_path, convolution([2, 32, 21, 27], 128, 3, **form), threads=2)


@pytest.mark.parametrize("depth", [1023, 1024, 1025, 2050])
def test_blocks_of_steps(depth, accordion, tools, tmp_path):
    """One task of a panel, which fetches the next block of steps, and several, which fetch the next panel."""
    assert check(accordion, tools, tmp_path, convolution([1, depth, 7, 7], 100, 1), 2)
    assert check(accordion, tools, tmp_path, convolution([1, depth // 9, 14, 14], 128, 3), 2)


def test_what_is_not_a_number_stays_in_its_window(accordion, tools, tmp_path):
    model = convolution([1, 24, 14, 14], 64, 3)
    x = seeded("nan").standard_normal((1, 24, 14, 14)).astype(np.float32)
    x[0, 5, 3, 9], x[0, 7, 13, 13] = np.nan, np.inf
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (want,), (got,) = session.run(None, {"x": x}), accordion.compile(model, threads=1).run(None, {"x": x})
    near = np.zeros((14, 14), bool)
    near[2:5, 8:11] = near[12:, 12:] = True
    assert np.allclose(got[..., ~near], want[..., ~near], atol=1e-5)
    assert np.array_equal(np.isfinite(got), np.isfinite(want))
