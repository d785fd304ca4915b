"""Attention of all sizes and masks, as operator and written out, against numpy in f64."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

INFINITY = np.float32(np.inf)


@pytest.fixture(scope="module")
def runner(tools, accordion, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attention")

    def make(nodes, inputs, result, constants=()):
        """A model with dynamic sizes where `inputs` say None; gives a function of threads and arrays."""
        values = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]
        graph = helper.make_graph(
            nodes, "attention", values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)], list(constants)
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10)
        path = folder / f"{len(list(folder.iterdir()))}.onnx"
        onnx.save(model, path)
        tools.succeed("ac-compile", path, "-o", path.with_suffix(".so"))
        sessions = {threads: accordion.load(path.with_suffix(".so"), threads=threads) for threads in (1, 2)}
        return lambda feeds, threads=1: sessions[threads].run(None, feeds)[0]

    return make


def reference(q, k, v, mask=None, causal=False, past=0, softcap=0.0, empty=0.0):
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if causal:
        rows, keys = np.arange(q.shape[2])[:, None] + past, np.arange(k.shape[2])
        scores = np.where(keys <= rows, scores, -np.inf)
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(top == -np.inf, 0, top))
    total = weights.sum(-1, keepdims=True)
    return np.where(total == 0, empty if k.shape[2] else 0, weights @ v / np.where(total == 0, 1, total))


def operator(runner, mask=None, **attributes):
    names = ["q", "k", "v"] + (["m"] if mask else [])
    inputs = [(n, TensorProto.FLOAT, [None, heads, None, width]) for n, heads, width in zip("qkv", (4, 2, 2), (20, 20, 33))]
    if mask:
        inputs.append(("m", *mask))
    node = helper.make_node("Attention", names, ["y"], name="attention", **attributes)
    return runner([node], inputs, [None, 4, None, 33])


def tensors(rng, batch, rows, keys):
    shapes = (batch, 4, rows, 20), (batch, 2, keys, 20), (batch, 2, keys, 33)
    return {n: rng.standard_normal(s).astype(np.float32) for n, s in zip("qkv", shapes)}


SIZES = [(1, 1, 1), (2, 1, 600), (1, 6, 513), (1, 7, 64), (2, 97, 1025), (1, 0, 5), (0, 3, 5), (1, 40, 0), (1, 2, 0)]


@pytest.mark.parametrize("attributes", [{}, {"is_causal": 1}, {"softcap": 1.5}], ids=["plain", "causal", "softcap"])
def test_sizes(runner, attributes):
    """Any number of rows and keys, zero included; heads share keys; one thread and two agree to the bit."""
    run = operator(runner, **attributes)
    for size in SIZES:
        feeds = tensors(np.random.default_rng(1), *size)
        wanted = reference(**feeds, causal="is_causal" in attributes, softcap=attributes.get("softcap", 0.0))
        got = run(feeds)
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6, err_msg=str(size))
        np.testing.assert_array_equal(got, run(feeds, threads=2), err_msg=str(size))


def test_rows_do_not_depend_on_others(runner):
    """The same bits for a row among two hundred and for the row alone."""
    run = operator(runner)
    feeds = tensors(np.random.default_rng(2), 1, 200, 1300)
    whole = run(feeds)
    for begin, end in ((0, 1), (5, 8), (150, 163), (199, 200)):
        np.testing.assert_array_equal(run({**feeds, "q": feeds["q"][:, :, begin:end]}), whole[:, :, begin:end])


@pytest.mark.parametrize("rows", [1, 50])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.BOOL], ids=["added", "selected"])
def test_masks(runner, kind, rows):
    """Rows that see nothing are zero; masks broadcast."""
    rng = np.random.default_rng(3)
    run = operator(runner, mask=(kind, [None, 1, None, None]))
    feeds = tensors(rng, 2, rows, 270)
    seen = rng.random((2, 1, rows, 270)) < 0.3
    seen[1, :, 0] = False
    mask = seen if kind == TensorProto.BOOL else np.where(seen, rng.standard_normal(seen.shape), -INFINITY)
    mask = mask if kind == TensorProto.BOOL else mask.astype(np.float32)
    got = run({**feeds, "m": mask})
    np.testing.assert_allclose(got, reference(**feeds, mask=mask), rtol=2e-5, atol=2e-6)
    assert not got[1, :, 0].any()


@pytest.fixture(scope="module")
def masked(runner):
    """With a mask of numbers that all heads share."""
    return operator(runner, mask=(TensorProto.FLOAT, [None, 1, None, None]))


def lowest(seen, hidden):
    return np.where(seen, np.float32(0), np.float32(hidden)).astype(np.float32)


@pytest.mark.parametrize("hidden", [-np.inf, np.finfo(np.float32).min, -1e9, -1e4])
@pytest.mark.parametrize("kind", ["causal", "band", "left", "right", "both", "holes", "none"])
def test_masks_that_hide(masked, kind, hidden):
    """What exporters write: causal, without padding, or both, hidden by -inf or by numbers; rows that are hidden as a whole."""
    rng, run = np.random.default_rng(9), masked
    for batch, rows, keys in ((2, 130, 700), (1, 20, 20), (2, 13, 600)):
        feeds = tensors(rng, batch, rows, keys)
        at, of = np.arange(keys), np.arange(rows)[:, None] + keys - rows
        last = rng.integers(1, keys + 1, (batch, 1, 1, 1))
        seen = {
            "causal": (at <= of)[None, None],
            "band": ((at <= of) & (at > of - 40))[None, None],
            "left": at >= last - 1,
            "right": at < last,
            "both": (at <= of) & (at >= keys // 3),
            "holes": rng.random((batch, 1, rows, keys)) < 0.02,
            "none": np.zeros((batch, 1, rows, keys), bool),
        }[kind]
        seen = np.broadcast_to(seen, (batch, 1, rows, keys)) if seen.ndim == 4 else seen[None, None]
        mask = lowest(seen, hidden)
        wanted = reference(**feeds, mask=mask)
        got = run({**feeds, "m": mask})
        # Next to numbers of that size, scores lose their digits: what is hidden as a whole is an average of some kind.
        sure = np.broadcast_to(seen.any(-1, keepdims=True) | (hidden == -np.inf), got.shape)
        np.testing.assert_allclose(got[sure], wanted[sure], rtol=2e-5, atol=4e-6, err_msg=str((batch, rows, keys)))
        assert np.isfinite(got).all()
        np.testing.assert_array_equal(got, run({**feeds, "m": mask}, threads=2))
        few = {**feeds, "q": feeds["q"][:, :, -3:], "m": mask[:, :, -3:]}
        np.testing.assert_array_equal(run(few)[sure[:, :, -3:]], got[:, :, -3:][sure[:, :, -3:]])


@pytest.mark.parametrize("hidden", [-np.inf, -1e9])
def test_mask_behind_causality(runner, hidden):
    """A row that causality leaves nothing but hidden keys, and a mask whose largest number it hides."""
    rng = np.random.default_rng(10)
    run = operator(runner, mask=(TensorProto.FLOAT, [None, 1, 1, None]), is_causal=1)
    feeds = tensors(rng, 1, 90, 90)
    feeds["q"] *= 0  # so that numbers of any size leave the scores their digits
    mask = lowest(np.arange(90) >= 30, hidden)[None, None, None]
    np.testing.assert_allclose(run({**feeds, "m": mask}), reference(**feeds, mask=mask, causal=True), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_mask_with_special_numbers(masked, special):
    run = masked
    feeds = tensors(np.random.default_rng(11), 1, 50, 70)
    mask = lowest(np.arange(70) <= np.arange(50)[:, None], -np.inf)[None, None]
    clean = run({**feeds, "m": mask})
    mask[0, 0, 7, 3] = special
    got = run({**feeds, "m": mask})
    assert np.isnan(got[0, :, 7]).all()
    got[0, :, 7] = clean[0, :, 7]
    np.testing.assert_array_equal(got, clean)


@pytest.mark.parametrize("rows", [1, 50])
def test_nan_stays_in_its_rows(runner, rows):
    run = operator(runner)
    feeds = tensors(np.random.default_rng(4), 1, rows, 270)
    clean = run(feeds)
    feeds["q"][0, 1, 0, 3] = np.nan
    got = run(feeds)
    assert np.isnan(got[0, 1, 0]).all()
    got[0, 1, 0] = clean[0, 1, 0]
    np.testing.assert_array_equal(got, clean)


def test_past(runner):
    """A cache: the new keys follow the old ones, and rows see what is before them."""
    rng = np.random.default_rng(5)
    node = helper.make_node(
        "Attention", ["q", "k", "v", "", "pk", "pv"], ["y", "nk", "nv"], name="attention", is_causal=1
    )
    inputs = [(n, TensorProto.FLOAT, [1, h, None, 16]) for n, h in zip(("q", "k", "v", "pk", "pv"), (4, 2, 2, 2, 2))]
    run = runner([node], inputs, [1, 4, None, 16])
    for rows, past in ((1, 1100), (1, 0), (20, 600)):
        draw = lambda heads, size: rng.standard_normal((1, heads, size, 16)).astype(np.float32)  # noqa: E731
        feeds = {"q": draw(4, rows), "k": draw(2, rows), "v": draw(2, rows), "pk": draw(2, past), "pv": draw(2, past)}
        k, v = (np.concatenate([feeds["p" + n], feeds[n]], axis=2) for n in "kv")
        wanted = reference(feeds["q"], k, v, causal=True, past=past)
        np.testing.assert_allclose(run(feeds), wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("rows", [1, 3, 75])
def test_written_out(runner, rows):
    """As exporters write it: heads moved by transposes. Here a row that sees nothing is NaN, as its softmax is."""
    scale = helper.make_tensor("c", TensorProto.FLOAT, [], [4.0])
    nodes = [
        helper.make_node("Transpose", ["q"], ["qt"], perm=[0, 2, 1, 3]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["v"], ["vt"], perm=[0, 2, 1, 3]),
        helper.make_node("MatMul", ["qt", "kt"], ["s"]),
        helper.make_node("Div", ["s", "c"], ["d"]),
        helper.make_node("Add", ["d", "m"], ["a"]),
        helper.make_node("Softmax", ["a"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "vt"], ["o"]),
        helper.make_node("Transpose", ["o"], ["y"], perm=[0, 2, 1, 3]),
    ]
    inputs = [(n, TensorProto.FLOAT, [None, None, 3, 16]) for n in "qkv"]
    inputs.append(("m", TensorProto.FLOAT, [None, 1, 1, None]))
    run = runner(nodes, inputs, [None, None, 3, 16], [scale])
    rng = np.random.default_rng(6)
    q = rng.standard_normal((2, rows, 3, 16)).astype(np.float32)
    k, v = (rng.standard_normal((2, 300, 3, 16)).astype(np.float32) for _ in range(2))
    mask = np.where(rng.random((2, 1, 1, 300)) < 0.5, 0, -INFINITY).astype(np.float32)
    mask[1] = -INFINITY
    heads = (x.transpose(0, 2, 1, 3) for x in (q, k, v))
    wanted = reference(*heads, mask=mask, empty=np.nan).transpose(0, 2, 1, 3)
    np.testing.assert_allclose(run({"q": q, "k": k, "v": v, "m": mask}), wanted, rtol=2e-5, atol=2e-6)


def without_nan(q, k, v, mask):
    """The weights of a softmax that is NaN are zero, as exporters write it for rows that see nothing."""
    with np.errstate(invalid="ignore"):
        scores = q.astype(np.float64) @ k.astype(np.float64).swapaxes(-1, -2) / 4 + mask
        powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-INFINITY))
        weights = powers / powers.sum(-1, keepdims=True)
    return np.where(np.isnan(weights), 0, weights) @ v.astype(np.float64)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1, 3, 75])
def test_rows_of_nan_that_become_zero(runner, rows, threads):
    """Rows that see nothing, NaN, or infinity in the first or the second block of keys, among others that see numbers."""
    quarter, zero = (helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("c", 0.25), ("z", 0)))
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Mul", ["s", "c"], ["d"]),
        helper.make_node("Add", ["d", "m"], ["a"]),
        helper.make_node("Softmax", ["a"], ["p"], axis=-1),
        helper.make_node("IsNaN", ["p"], ["n"]),
        helper.make_node("Where", ["n", "z", "p"], ["w"]),
        helper.make_node("MatMul", ["w", "v"], ["y"]),
    ]
    inputs = [(n, TensorProto.FLOAT, [None, 3, None, 16]) for n in "qkv"]
    inputs.append(("m", TensorProto.FLOAT, [None, None, None, None]))
    run = runner(nodes, inputs, [None, 3, None, 16], [quarter, zero])
    rng = np.random.default_rng(8)
    for special in (None, np.nan, INFINITY, -INFINITY):
        q = rng.standard_normal((2, 3, rows, 16)).astype(np.float32)
        k, v = (rng.standard_normal((2, 3, 600, 16)).astype(np.float32) for _ in range(2))
        mask = np.where(rng.random((2, 1, rows, 600)) < 0.5, 0, -INFINITY).astype(np.float32)
        if special is not None:
            mask[0, 0, 0, 5] = mask[1, 0, rows // 2, 570] = special
        mask[1, 0, -1] = -INFINITY
        y = run({"q": q, "k": k, "v": v, "m": mask}, threads)
        np.testing.assert_allclose(y, without_nan(q, k, v, mask), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("wrong", ["batch of keys", "batch of values", "length of values"])
def test_sizes_that_are_only_known_at_run_time_are_compared(runner, accordion, wrong):
    """Written out with sizes of their own for each input; the kernel reads keys and values by those of the queries."""
    nodes = [
        helper.make_node("MatMul", ["q", "k"], ["scores"], name="scores"),
        helper.make_node("Softmax", ["scores"], ["weights"], name="softmax", axis=-1),
        helper.make_node("MatMul", ["weights", "v"], ["y"], name="product"),
    ]
    inputs = [
        ("q", TensorProto.FLOAT, ["batch", 2, "rows", 16]),
        ("k", TensorProto.FLOAT, ["others", 2, 16, "keys"]),
        ("v", TensorProto.FLOAT, ["more", 2, "values", 16]),
    ]
    run = runner(nodes, inputs, [None, 2, None, 16])
    rng = np.random.default_rng(8)
    q, k, v = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 2, 5, 16), (3, 2, 16, 7), (3, 2, 7, 16)))
    weights = np.exp((q @ k).astype(np.float64))
    np.testing.assert_allclose(run({"q": q, "k": k, "v": v}), weights @ v / weights.sum(-1, keepdims=True), 1e-4, 1e-5)
    bad = {
        "batch of keys": {"q": q, "k": k[:2], "v": v},
        "batch of values": {"q": q, "k": k, "v": v[:2]},
        "length of values": {"q": q, "k": k, "v": v[:, :, :6]},
    }[wrong]
    with pytest.raises(accordion.Error, match="softmax|product|scores"):
        run(bad)
