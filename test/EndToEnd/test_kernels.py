"""Kernels of two generators: each is the other's oracle, and both are compared with a plain sum in double precision.

Results of MLIR's and Halide's kernels may differ by the rounding of an epilogue and of a polynomial: 1e-5 of the largest value.
Whatever the generator, a row has the same bits in any batch and with any number of threads.
"""

from __future__ import annotations

import concurrent.futures
import json
import math
import os
import stat
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 1e-5


@pytest.fixture(scope="module", autouse=True)
def generator(tools):
    program = tools.bin / "ac-halide-generate"
    if not program.exists():
        pytest.skip("built without Halide")
    return program


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


def make(nodes, inputs, weights, output="y") -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "kernels", values, [result], tensors), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    return model


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def build(tools, model, folder: Path, cache: Path, generator="halide", *flags, name="model"):
    """Compiles; returns the path and what the report says of kernels."""
    folder.mkdir(exist_ok=True)
    source, target, report = folder / f"{name}.onnx", folder / f"{name}-{generator}.so", folder / "report.json"
    onnx.save(model, source)
    flags = [*flags, f"--kernels={generator}", f"--report={report}"]
    tools.succeed("ac-compile", source, "-o", target, *flags, env={**os.environ, "AC_KERNEL_CACHE": str(cache)})
    return target, json.loads(report.read_text())["kernels"]


def run(accordion, path, feeds, threads=1):
    return accordion.load(str(path), threads=threads).run(None, feeds)[0]


def near(got, want):
    assert got.shape == want.shape
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite & ~np.isnan(want)], want[~finite & ~np.isnan(want)])
    if finite.any():
        assert np.abs(got[finite].astype(np.float64) - want[finite]).max() <= TOLERANCE * max(np.abs(want[finite]).max(), 1e-30)


# ---------------------------------------------------------------- products


def erf(x):
    return np.vectorize(math.erf)(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "none": ([], lambda x: x),
    "relu": ([("Relu", {})], lambda x: np.maximum(x, 0)),
    "leaky": ([("LeakyRelu", {"alpha": 0.1})], lambda x: np.where(x < 0, 0.1 * x, x)),
    "hardswish": ([("HardSwish", {})], lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "sigmoid": ([("Sigmoid", {})], sigmoid),
    "tanh": ([("Tanh", {})], np.tanh),
    "erf": ([("Erf", {})], erf),
    "elu": ([("Elu", {"alpha": 1.0})], lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)),
    "sqrt-of-abs": ([("Abs", {}), ("Sqrt", {})], lambda x: np.sqrt(np.abs(x))),
}


def product(rows, depth, columns, activation="relu", residual=False):
    """Bias, activation and perhaps a residual behind a product; the model, and the formula."""
    w, bias = numbers((depth, columns), 1) / depth**0.5, numbers(columns, 2)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["v0"], "product"), helper.make_node("Add", ["v0", "b"], ["v1"], "bias")]
    for op, attributes in ACTIVATIONS[activation][0]:
        nodes.append(helper.make_node(op, [f"v{len(nodes) - 1}"], [f"v{len(nodes)}"], op, **attributes))
    inputs = {"x": [rows, depth]}
    if residual:
        nodes.append(helper.make_node("Add", [f"v{len(nodes) - 1}", "r"], [f"v{len(nodes)}"], "residual"))
        inputs["r"] = [rows, columns]
    nodes[-1].output[0] = "y"

    def formula(x, r=0.0):
        with np.errstate(all="ignore"):
            return ACTIVATIONS[activation][1](x.astype(np.float64) @ w + bias) + r

    return make(nodes, inputs, {"w": w, "b": bias}), formula


def both(tools, accordion, tmp_path, cache, model, feeds, expected, threads=2):
    for generator in ("mlir", "halide"):
        path, kernels = build(tools, model, tmp_path, cache, generator)
        assert (kernels["found"] + kernels["made"] > 0) == (generator == "halide")
        near(run(accordion, path, feeds, threads), expected)


@pytest.mark.parametrize("depth, columns", [(1, 1), (33, 63), (64, 64), (70, 65), (128, 200)])
def test_products_of_odd_sizes(tools, accordion, tmp_path, cache, depth, columns):
    model, formula = product("rows", depth, columns, "hardswish")
    for generator in ("mlir", "halide"):
        path, kernels = build(tools, model, tmp_path, cache, generator)
        assert (kernels["found"] + kernels["made"] > 0) == (generator == "halide")
        session = accordion.load(str(path), threads=2)
        for rows in (0, 1, 5, 6, 7, 97, 200):
            x = numbers((rows, depth))
            near(session.run(None, {"x": x})[0], formula(x))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("residual", [False, True])
def test_epilogues(tools, accordion, tmp_path, cache, activation, residual):
    model, formula = product(17, 40, 75, activation, residual)
    feeds = {"x": 3 * numbers((17, 40))}
    if residual:
        feeds["r"] = numbers((17, 75), 3)
    both(tools, accordion, tmp_path, cache, model, feeds, formula(*feeds.values()))


@pytest.mark.parametrize("activation", ["none", "relu", "leaky", "sigmoid", "tanh", "erf", "elu"])
def test_numbers_that_are_none(tools, accordion, tmp_path, cache, activation):
    model, formula = product(9, 8, 70, activation)
    x = numbers((9, 8))
    x[1, 3], x[4, 0], x[7, 7], x[8] = np.nan, np.inf, -np.inf, 1e20
    for generator in ("mlir", "halide"):
        path, _ = build(tools, model, tmp_path, cache, generator)
        got, want = run(accordion, path, {"x": x}), formula(x)
        near(got[[0, 2, 3, 5, 6]], want[[0, 2, 3, 5, 6]])
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))


@pytest.mark.parametrize("activation", ["hardswish", "sigmoid"])
@pytest.mark.parametrize("generator", ["mlir", "halide"])
def test_a_row_has_its_bits_in_any_batch(tools, accordion, tmp_path, cache, generator, activation):
    model, _ = product("rows", 77, 203, activation)
    path, _ = build(tools, model, tmp_path, cache, generator)
    x = numbers((211, 77))
    session = accordion.load(str(path), threads=1)
    whole = session.run(None, {"x": x})[0]
    np.testing.assert_array_equal(run(accordion, path, {"x": x}, threads=2), whole)
    for begin, end in [(0, 1), (3, 4), (0, 5), (1, 7), (90, 103), (96, 97), (205, 211)]:
        np.testing.assert_array_equal(session.run(None, {"x": x[begin:end]})[0], whole[begin:end])


@pytest.mark.parametrize("march", ["x86-64-v3", "x86-64-v4"])
def test_other_machines(tools, accordion, tmp_path, cache, march):
    if march == "x86-64-v4" and "avx512bw" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("no AVX-512 here")
    model, formula = product(13, 50, 75)
    path, kernels = build(tools, model, tmp_path, cache, "halide", f"--march={march}")
    assert kernels["found"] + kernels["made"] == 1
    x = numbers((13, 50))
    near(run(accordion, path, {"x": x}), formula(x))


# ---------------------------------------------------------------- depthwise convolutions


def convolve(x, w, stride, pad, dilation):
    """The sum of the taps, in double precision."""
    taps = w.shape[2:]
    low = [(0, 0), (0, 0), (pad[0], pad[2]), (pad[1], pad[3])]
    padded = np.pad(x.astype(np.float64), low)
    sizes = [(padded.shape[2 + i] - (taps[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in (0, 1)]
    result = np.zeros((*x.shape[:2], *sizes))
    for i in range(taps[0]):
        for j in range(taps[1]):
            rows = slice(i * dilation[0], i * dilation[0] + (sizes[0] - 1) * stride[0] + 1, stride[0])
            columns = slice(j * dilation[1], j * dilation[1] + (sizes[1] - 1) * stride[1] + 1, stride[1])
            result += padded[:, :, rows, columns] * w[None, :, 0, i, j, None, None]
    return result


SHAPES = {  # input, kernel, strides, pads, dilations
    "3x3": ((1, 5, 19, 37), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    "batch": ((3, 4, 9, 50), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    "stride-2": ((2, 7, 21, 35), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1)),
    "strides": ((1, 2, 12, 70), (3, 3), (1, 3), (0, 1, 1, 0), (1, 1)),
    "5x5": ((1, 4, 13, 33), (5, 5), (1, 1), (2, 2, 2, 2), (1, 1)),
    "1x7": ((1, 3, 6, 40), (1, 7), (1, 1), (0, 3, 0, 3), (1, 1)),
    "7x1": ((1, 3, 20, 18), (7, 1), (1, 1), (3, 0, 3, 0), (1, 1)),
    "dilated": ((1, 4, 20, 41), (3, 3), (1, 1), (2, 2, 2, 2), (2, 2)),
    "no-pads": ((1, 4, 20, 21), (3, 3), (1, 1), (0, 0, 0, 0), (1, 1)),
    "one-sided": ((1, 4, 7, 23), (3, 3), (2, 2), (0, 0, 1, 1), (1, 1)),
    "small": ((1, 4, 2, 2), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    "narrow": ((1, 4, 30, 5), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    "9-wide": ((1, 4, 6, 9), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    "wide-pads": ((1, 2, 5, 6), (3, 3), (1, 1), (4, 4, 4, 4), (1, 1)),
    "one-pixel": ((1, 2, 1, 1), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
}


def depthwise(shape, behind="relu", sizes=None):
    """A depthwise convolution with bias and what stands behind it; the model, and the formula."""
    size, kernel, strides, pads, dilations = SHAPES[shape]
    channels = size[1]
    w, bias = numbers((channels, 1, *kernel), 1), numbers(channels, 2)
    attributes = dict(group=channels, kernel_shape=kernel, strides=strides, pads=pads, dilations=dilations)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["v0"], "conv", **attributes)]
    weights, inputs = {"w": w, "b": bias}, {"x": sizes or list(size)}
    if behind == "relu":
        nodes.append(helper.make_node("Relu", ["v0"], ["v1"], "relu"))
    elif behind == "hardswish":
        nodes.append(helper.make_node("HardSwish", ["v0"], ["v1"], "hardswish"))
    elif behind == "residual":
        nodes.append(helper.make_node("Add", ["v0", "x"], ["v1"], "residual"))
    elif behind == "scale":
        inputs["s"] = [size[0], channels, 1, 1]
        nodes.append(helper.make_node("Mul", ["v0", "s"], ["v1"], "scale"))
    elif behind == "sine":  # not among what a description of a kernel can say
        nodes.append(helper.make_node("Sin", ["v0"], ["v1"], "sine"))
    nodes[-1].output[0] = "y"

    def formula(x, s=1.0):
        v = convolve(x, w, strides, pads, dilations) + bias[:, None, None]
        with np.errstate(all="ignore"):
            return {
                "none": lambda: v,
                "relu": lambda: np.where(v < 0, 0, v),
                "hardswish": lambda: v * np.clip(v / 6 + 0.5, 0, 1),
                "residual": lambda: v + x,
                "scale": lambda: v * s,
                "sine": lambda: np.sin(v),
            }[behind]()

    return make(nodes, inputs, weights), formula


@pytest.mark.parametrize("shape", SHAPES)
def test_depthwise_shapes(tools, accordion, tmp_path, cache, shape):
    model, formula = depthwise(shape)
    x = numbers(SHAPES[shape][0])
    both(tools, accordion, tmp_path, cache, model, {"x": x}, formula(x))


@pytest.mark.parametrize("behind", ["none", "hardswish", "residual", "scale", "sine"])
@pytest.mark.parametrize("shape", ["3x3", "batch"])
def test_depthwise_epilogues(tools, accordion, tmp_path, cache, shape, behind):
    model, formula = depthwise(shape, behind)
    feeds = {"x": numbers(SHAPES[shape][0])}
    if behind == "scale":
        feeds["s"] = numbers((*SHAPES[shape][0][:2], 1, 1), 3)
    both(tools, accordion, tmp_path, cache, model, feeds, formula(*feeds.values()))


def test_depthwise_sizes_known_at_run_time(tools, accordion, tmp_path, cache):
    model, formula = depthwise("3x3", "residual", ["n", 5, "h", "w"])
    path, kernels = build(tools, model, tmp_path, cache)
    assert kernels["found"] + kernels["made"] == 1
    for n, h, w in [(1, 1, 1), (2, 9, 40), (3, 4, 17), (0, 5, 5)]:
        x = numbers((n, 5, h, w))
        near(run(accordion, path, {"x": x}, threads=2), formula(x))


@pytest.mark.parametrize("generator", ["mlir", "halide"])
def test_an_image_has_its_bits_in_any_batch(tools, accordion, tmp_path, cache, generator):
    model, _ = depthwise("3x3", "hardswish", ["n", 5, 19, 37])
    path, _ = build(tools, model, tmp_path, cache, generator)
    x = numbers((7, 5, 19, 37))
    whole = run(accordion, path, {"x": x})
    np.testing.assert_array_equal(run(accordion, path, {"x": x}, threads=2), whole)
    for image in range(7):
        np.testing.assert_array_equal(run(accordion, path, {"x": x[image : image + 1]})[0], whole[image])


def test_depthwise_of_numbers_that_are_none(tools, accordion, tmp_path, cache):
    model, formula = depthwise("3x3")
    x = numbers(SHAPES["3x3"][0])
    x[0, 1, 0, 0], x[0, 2, 18, 36], x[0, 3, 7, 20] = np.inf, np.nan, -np.inf
    with np.errstate(all="ignore"):
        want = formula(x)
    for generator in ("mlir", "halide"):
        path, _ = build(tools, model, tmp_path, cache, generator)
        near(run(accordion, path, {"x": x}), want)


# ---------------------------------------------------------------- outputs


def test_python_chooses_too(accordion, tmp_path, cache, monkeypatch):
    monkeypatch.setenv("AC_KERNEL_CACHE", str(cache))
    model, formula = product(13, 50, 75)
    x = numbers((13, 50))
    for kernels, tune in [("halide", False), ("mlir", True), ("auto", False)]:
        near(accordion.compile(model, kernels=kernels, tune=tune).run(None, {"x": x})[0], formula(x))
    with pytest.raises(ValueError, match="expected 'mlir', 'halide' or 'auto'"):
        accordion.compile(model, kernels="fastest")


def test_objects_hold_their_kernels(tools, tmp_path, cache):
    model, _ = product(13, 50, 75)
    onnx.save(model, tmp_path / "m.onnx")
    environment = {**os.environ, "AC_KERNEL_CACHE": str(cache)}
    for kind in ("so", "o"):
        target = tmp_path / f"m.{kind}"
        tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", target, "--kernels=halide", env=environment)
        nm = tools.run(Path("/usr/lib/llvm-22/bin/llvm-nm"), *(["-D"] if kind == "so" else []), target).stdout
        undefined = [line.split()[-1] for line in nm.splitlines() if " U " in line]
        assert not [name for name in undefined if "halide" in name]
        if kind == "so":
            assert "halide" not in nm  # kernels are for the model alone


# ---------------------------------------------------------------- the cache


def test_kernels_are_made_once(tools, accordion, tmp_path):
    cache = tmp_path / "cache"
    (model, formula), (other, _) = product(13, 50, 75), product(100, 20, 300)
    assert build(tools, model, tmp_path, cache)[1] == {"found": 0, "made": 1}
    assert build(tools, model, tmp_path, cache)[1] == {"found": 1, "made": 0}
    # Sizes are no part of a kernel.
    assert build(tools, other, tmp_path, cache)[1] == {"found": 1, "made": 0}
    assert build(tools, product(13, 50, 75, "none")[0], tmp_path, cache)[1] == {"found": 0, "made": 1}


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "other"])
def test_damaged_kernels_are_made_again(tools, accordion, tmp_path, damage):
    cache = tmp_path / "cache"
    model, formula = product(13, 50, 75)
    build(tools, model, tmp_path, cache)
    (entry,) = cache.glob("*.kernel")
    good = content = entry.read_bytes()
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content = content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]
    elif damage == "empty":
        content = b""
    elif damage == "text":
        content = b"no kernel\n"
    else:  # a good entry under a wrong name
        build(tools, product(13, 50, 75, "none")[0], tmp_path, cache)
        (stranger,) = set(cache.glob("*.kernel")) - {entry}
        content = stranger.read_bytes()
    entry.write_bytes(content)
    path, kernels = build(tools, model, tmp_path, cache)
    assert kernels == {"found": 0, "made": 1}
    assert entry.read_bytes() == good or damage == "other"
    x = numbers((13, 50))
    near(run(accordion, path, {"x": x}), formula(x))
    assert build(tools, model, tmp_path, cache)[1] == {"found": 1, "made": 0}


def test_many_at_a_time(tools, accordion, tmp_path):
    cache = tmp_path / "cache"
    model, formula = product(13, 50, 75)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(build, tools, model, tmp_path / str(i), cache) for i in range(6)]
        paths = [job.result()[0] for job in jobs]
    x = numbers((13, 50))
    for path in paths:
        near(run(accordion, path, {"x": x}), formula(x))
    assert [file.suffix for file in cache.iterdir()] == [".kernel"]


@pytest.mark.parametrize("place", ["read-only", "a-file", "absent-parent"])
def test_a_cache_that_cannot_be_written(tools, accordion, tmp_path, place):
    cache = tmp_path / "cache"
    if place == "read-only":
        cache.mkdir()
        cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
    elif place == "a-file":
        cache.write_text("")
    else:
        cache = Path("/proc/no/such/place")
    model, formula = product(13, 50, 75)
    path, kernels = build(tools, model, tmp_path, cache)
    assert kernels == {"found": 0, "made": 1}
    x = numbers((13, 50))
    near(run(accordion, path, {"x": x}), formula(x))


def test_the_cache_is_where_it_is_looked_for(tools, tmp_path):
    onnx.save(product(13, 50, 75)[0], tmp_path / "m.onnx")
    plain = {name: value for name, value in os.environ.items() if name not in ("AC_KERNEL_CACHE", "XDG_CACHE_HOME")}
    for variable, folder in [("XDG_CACHE_HOME", ""), ("HOME", ".cache")]:
        home = tmp_path / variable
        environment = {**plain, variable: str(home)}
        tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so", "--kernels=halide", env=environment)
        assert list((home / folder / "accordion" / "kernels").glob("*.kernel"))


# ---------------------------------------------------------------- what goes wrong


PROGRAMS = {
    "says": ("#!/bin/sh\necho 'error: no such schedule' >&2\nexit 1\n", "Halide: no such schedule"),
    "silent": ("#!/bin/sh\nexit 3\n", "ended with status 3"),
    "crashes": ("#!/bin/sh\nkill -ABRT $$\n", "Abort"),
    "does-nothing": ("#!/bin/sh\nexit 0\n", "cannot read"),
    "is-none": ("hello\n", "ended with"),
    "writes-rubbish": (
        "#!/bin/sh\nfor f in $(grep -o '/[^\"]*\\.o' $1); do echo rubbish > $f; done\n",
        "not recognized as a valid object file",
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_generators_that_fail(tools, tmp_path, program):
    text, message = PROGRAMS[program]
    generator = tmp_path / "generator"
    generator.write_text(text)
    generator.chmod(0o755)
    onnx.save(product(13, 50, 75)[0], tmp_path / "m.onnx")
    said = tools.refuse(
        "ac-compile", tmp_path / "m.onnx", "-o", tmp_path / "m.so", "--kernels=halide", f"--halide-generator={generator}",
        env={**os.environ, "AC_KERNEL_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert message in said
    assert not (tmp_path / "m.so").exists()
    assert not list(tmp_path.glob("cache/*"))


@pytest.mark.parametrize(
    "requests, message",
    [
        ("{}", "holds no array"),
        ("[", "parse error"),
        ('[{"entry": "f", "output": "f.o", "description": {"version": 2}}]', "version 2, expected 1"),
        ('[{"entry": "f", "output": "f.o", "description": {"version": 1, "target": {"arch": "aarch64"}}}]', "x86_64"),
    ],
)
def test_the_generator_refuses(tools, tmp_path, requests, message):
    (tmp_path / "requests.json").write_text(requests)
    done = tools.run("ac-halide-generate", tmp_path / "requests.json", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and message in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["requests.json"]


# ---------------------------------------------------------------- the tuner


def test_what_was_measured_is_remembered(tools, accordion, tmp_path):
    cache = tmp_path / "cache"
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["v0"], "conv", group=8, kernel_shape=(5, 5), pads=(2, 2, 2, 2)),
        helper.make_node("Relu", ["v0"], ["v1"], "relu"),
        helper.make_node("MatMul", ["v1", "m"], ["y"], "product"),
    ]
    weights = {"w": numbers((8, 1, 5, 5), 1), "b": numbers(8, 2), "m": numbers((64, 100), 3)}
    model = make(nodes, {"x": [1, 8, 32, 64]}, weights)
    x = numbers((1, 8, 32, 64))
    want = np.maximum(convolve(x, weights["w"], (1, 1), (2, 2, 2, 2), (1, 1)) + weights["b"][:, None, None], 0) @ weights["m"]
    # Nothing is known yet: MLIR.
    path, kernels = build(tools, model, tmp_path, cache, "auto")
    assert kernels == {"found": 0, "made": 0} and not cache.exists()
    near(run(accordion, path, {"x": x}), want)
    path, _ = build(tools, model, tmp_path, cache, "auto", "--tune")
    near(run(accordion, path, {"x": x}), want)
    choices = {file: file.read_bytes() for file in cache.glob("*.choice")}
    assert len(choices) == 2 and all(content.split(b"\n")[-1] in (b"mlir", b"halide") for content in choices.values())
    # What is known is used, and not measured again.
    before = {file: file.stat().st_mtime_ns for file in choices}
    path, kernels = build(tools, model, tmp_path, cache, "auto", "--tune")
    assert {file: file.stat().st_mtime_ns for file in cache.glob("*.choice")} == before
    assert kernels["found"] == sum(content.endswith(b"\nhalide") for content in choices.values()) and not kernels["made"]
    near(run(accordion, path, {"x": x}), want)
