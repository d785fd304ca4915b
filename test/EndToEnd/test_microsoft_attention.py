"""Attention as exporters write it for ONNX Runtime (com.microsoft), against ONNX Runtime and, where its CPU has no kernel,
against the same attention in another form. Sizes are unknown while compiling, and one compiled model is run with several."""

from __future__ import annotations

import ctypes

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import furthest
from onnx import TensorProto, helper
from programs import seeded

HEADS, KEY_HEADS, DEPTH = 4, 2, 16


def make(operator, inputs, outputs, **attributes):
    """`inputs` maps a name to (numpy type, dimensions), or to None where nothing is given."""
    kinds = {name: helper.np_dtype_to_tensor_dtype(np.dtype(given[0])) for name, given in inputs.items() if given}
    names = [name if given else "" for name, given in inputs.items()]
    node = helper.make_node(operator, names, outputs, name="attention", domain="com.microsoft", **attributes)
    values = [helper.make_tensor_value_info(name, kinds[name], given[1]) for name, given in inputs.items() if given]
    element = next(iter(kinds.values()))
    results = [helper.make_tensor_value_info(name, element, None) for name in outputs if name]
    graph = helper.make_graph([node], "attention", values, results)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def reference(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, feeds)


@pytest.fixture(scope="module")
def compare(tools, accordion, tmp_path_factory):
    """Compares a model with ONNX Runtime for many feeds; `cut` leaves out what may be anything."""
    folder = tmp_path_factory.mktemp("attention")

    def run(model, many_feeds, bound=2e-5, cut=lambda outputs: outputs):
        path = folder / f"{len(list(folder.iterdir()))}.onnx"
        onnx.save(model, path)
        tools.succeed("ac-compile", path, "-o", path.with_suffix(".so"))
        for threads in (1, 2):
            session = accordion.load(path.with_suffix(".so"), threads=threads)
            for feeds in many_feeds:
                got, want = session.run(None, feeds), reference(model, feeds)
                assert furthest(cut(got), cut(want)) < bound

    return run


def rows(name, *shape):
    return seeded(name, *shape).standard_normal(shape).astype(np.float32)


def i32(*values):
    return np.array(values, np.int32)


#
# GroupQueryAttention
#


def group_query(extra=(), packed=False, element=np.float32, depth=DEPTH, **attributes):
    width = (HEADS + 2 * KEY_HEADS if packed else HEADS) * depth
    separate = None if packed else (element, ["b", "s", KEY_HEADS * depth])
    inputs = {
        "query": (element, ["b", "s", width]),
        "key": separate,
        "value": separate,
        "past_key": (element, ["b", KEY_HEADS, "p", depth]),
        "past_value": (element, ["b", KEY_HEADS, "p", depth]),
        "seqlens_k": (np.int32, ["b"]),
        "total": (np.int32, []),
        **dict(extra),
    }
    heads = {"num_heads": HEADS, "kv_num_heads": KEY_HEADS}
    return make("GroupQueryAttention", inputs, ["y", "present_key", "present_value"], **heads, **attributes)


def group_feeds(batch, steps, room, lengths=None, total=None, packed=False, element=np.float32, depth=DEPTH):
    """`lengths` with the new keys; without, the past is full."""
    total = total or room + steps
    width = KEY_HEADS * depth
    parts = [rows(name, batch, steps, size) for name, size in (("q", HEADS * depth), ("k", width), ("v", width))]
    named = {"query": np.concatenate(parts, -1)} if packed else dict(zip(("query", "key", "value"), parts))
    feeds = {
        **named,
        "past_key": rows("pk", batch, KEY_HEADS, room, depth),
        "past_value": rows("pv", batch, KEY_HEADS, room, depth),
    }
    feeds = {name: value.astype(element) for name, value in feeds.items()}
    lengths = lengths or [total] * batch
    return {**feeds, "seqlens_k": i32(*(n - 1 for n in lengths)), "total": np.array(total, np.int32)}


STEPS = [(2, 7, 0), (1, 1, 0), (2, 1, 9), (1, 1, 700), (1, 5, 300), (3, 1, 64), (1, 97, 0), (1, 65, 40), (1, 40, 1010)]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"local_window_size": 6},
        {"local_window_size": 300},
        {"softcap": 1.5},
        {"smooth_softmax": 1, "scale": 0.3},
        {"causal": 0},
    ],
    ids=lambda attributes: "-".join(f"{name}-{value}" for name, value in attributes.items()) or "plain",
)
def test_group_query(compare, attributes):
    """Prompts, tokens and several tokens behind a past, with all attributes of the scores."""
    compare(group_query(**attributes), [group_feeds(*steps) for steps in STEPS])


def test_group_query_packed(compare):
    compare(group_query(packed=True), [group_feeds(*steps, packed=True) for steps in STEPS])


def test_group_query_lengths(compare):
    """Entries of a batch are of different lengths, and a past has room that is not filled."""
    for feeds in (
        group_feeds(2, 1, 9, [10, 6]),
        group_feeds(2, 1, 400, [301, 5], 301),
        group_feeds(1, 3, 50, [20], 20),
        group_feeds(2, 1, 9, [9, 1], 9),
    ):
        known = np.arange(max(feeds["past_key"].shape[2], feeds["total"])) <= feeds["seqlens_k"][:, None]
        rows_of = lambda present: present.transpose(0, 2, 1, 3)[known]  # noqa: B023, E731
        compare(group_query(), [feeds], cut=lambda outputs: [outputs[0], *map(rows_of, outputs[1:])])  # noqa: B023
    # A prompt that is padded on the right: what the padding gives is nobody's business.
    padded = group_feeds(2, 7, 0, [7, 4])
    compare(group_query(), [padded], cut=lambda outputs: [outputs[0][:1], outputs[0][1:, :4], *outputs[1:]])


@pytest.mark.parametrize("packed, half, interleaved", [(False, 16, 0), (True, 16, 1), (False, 8, 1), (True, 8, 0)])
def test_group_query_rotary(compare, packed, half, interleaved):
    """Rows are turned by the angles of their positions, all of their features or the first."""
    caches = [(name, (np.float32, ["n", half])) for name in ("cos", "sin")]
    attributes = {"do_rotary": 1, "rotary_interleaved": interleaved}
    model = group_query(caches, packed, depth=32, **attributes)
    angles = {name: rows(name, 400, half) for name in ("cos", "sin")}
    steps = [(2, 7, 0), (2, 1, 9), (1, 5, 300)]
    compare(model, [{**group_feeds(*step, packed=packed, depth=32), **angles} for step in steps])
    model = group_query([*caches, ("ids", (np.int64, ["b", "s"]))], packed, depth=32, **attributes)
    feeds = []
    for batch, count, room in steps:
        ids = seeded("ids", batch, count, room).integers(0, 300, (batch, count))
        feeds.append({**group_feeds(batch, count, room, packed=packed, depth=32), **angles, "ids": ids})
    compare(model, feeds)


@pytest.mark.parametrize("given", ["bias", "sink", "bias and sink"])
def test_group_query_scores(compare, given):
    """Numbers added to the scores, for all heads or each, and a score of each head that takes its share of the softmax."""
    nothing = [(name, None) for name in ("cos", "sin", "ids")]
    extra = [*nothing, ("bias", (np.float32, ["c", "h", "s", "t"]) if "bias" in given else None)]
    if "sink" in given:
        extra.append(("sink", (np.float32, [HEADS])))
    feeds = []
    for batch, count, room, heads, entries in ((2, 7, 0, 1, 1), (2, 1, 300, HEADS, 2), (1, 5, 30, HEADS, 1)):
        more = {"bias": rows("bias", entries, heads, count, room + count), "sink": rows("sink", HEADS) * 4}
        used = {name: value for name, value in more.items() if name in given}
        feeds.append({**group_feeds(batch, count, room), **used})
    compare(group_query(extra), feeds)


def test_group_query_half(compare):
    feeds = [group_feeds(*steps, element=np.float16) for steps in STEPS[:5]]
    compare(group_query(element=np.float16), feeds, bound=4e-3)


def test_group_query_without_past(compare):
    """Without a past, and with lengths that a model computes from its mask as exporters do."""
    inputs = {
        name: (np.float32, ["b", "s", heads * DEPTH])
        for name, heads in (("query", HEADS), ("key", KEY_HEADS), ("value", KEY_HEADS))
    }
    inputs |= {"past_key": None, "past_value": None, "seqlens_k": (np.int32, ["b"]), "total": (np.int32, [1])}
    heads = {"num_heads": HEADS, "kv_num_heads": KEY_HEADS}
    model = make("GroupQueryAttention", inputs, ["y", "present_key", "present_value"], **heads)
    del model.graph.input[3:]
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.INT64, ["b", "t"]))
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    before = [
        helper.make_node("ReduceSum", ["mask", "one"], ["sum"], keepdims=0),
        helper.make_node("Sub", ["sum", "one"], ["less"]),
        helper.make_node("Cast", ["less"], ["seqlens_k"], to=TensorProto.INT32),
        helper.make_node("Shape", ["mask"], ["shape"], start=1, end=2),
        helper.make_node("Cast", ["shape"], ["total"], to=TensorProto.INT32),
    ]
    attention = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*before, *attention])
    model.graph.initializer.append(one)
    feeds = []
    for batch, count in ((2, 7), (1, 80)):
        given = group_feeds(batch, count, 0)
        named = {name: given[name] for name in ("query", "key", "value")}
        feeds.append({**named, "mask": np.ones((batch, count), np.int64)})
    compare(model, feeds)


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("type", ctypes.c_int), ("rank", ctypes.c_int32), ("dims", ctypes.c_void_p)]


def test_group_query_in_place(tools, tmp_path):
    """A caller gives the memory of the past to the present: a cache with room, of which only the new rows are written."""
    onnx.save(group_query(), tmp_path / "model.onnx")
    tools.succeed("ac-compile", tmp_path / "model.onnx", "-o", tmp_path / "model.so")
    runtime = ctypes.CDLL(str(tools.bin.parent / "lib" / "libaccordion_runtime.so"))
    model, run = ctypes.c_void_p(), ctypes.c_void_p()
    assert runtime.ac_model_open(str(tmp_path / "model.so").encode(), None, 1, ctypes.byref(model)) == 0
    assert runtime.ac_run_create(model, ctypes.byref(run)) == 0
    feeds = group_feeds(2, 1, 300, [201, 5], 201)
    want = reference(group_query(), feeds)
    kinds = {np.dtype(np.float32): 2, np.dtype(np.int32): 7}  # AC_TYPE_F32, AC_TYPE_I32
    before = {name: feeds[name].copy() for name in ("past_key", "past_value")}
    kept = [np.array(value.shape, np.int64) for value in feeds.values()]
    for i, (value, dims) in enumerate(zip(feeds.values(), kept)):
        tensor = Tensor(value.ctypes.data, kinds[value.dtype], value.ndim, dims.ctypes.data)
        assert runtime.ac_run_set_input(run, i, ctypes.byref(tensor)) == 0
    for i, name in ((1, "past_key"), (2, "past_value")):
        place = ctypes.c_void_p(feeds[name].ctypes.data)
        assert runtime.ac_run_set_output(run, i, place, ctypes.c_size_t(feeds[name].nbytes)) == 0
    assert runtime.ac_run_execute(run) == 0, ctypes.c_char_p(runtime.ac_last_error()).value
    result = Tensor()
    assert runtime.ac_run_output(run, 0, ctypes.byref(result)) == 0
    got = np.ctypeslib.as_array(ctypes.cast(result.data, ctypes.POINTER(ctypes.c_float)), want[0].shape)
    np.testing.assert_allclose(got, want[0], rtol=2e-5, atol=2e-6)
    for entry, length in enumerate((201, 5)):
        for name, present in (("past_key", want[1]), ("past_value", want[2])):
            np.testing.assert_array_equal(feeds[name][entry, :, :length], present[entry, :, :length])
            np.testing.assert_array_equal(feeds[name][entry, :, length:], before[name][entry, :, length:])
    runtime.ac_run_destroy(run)
    runtime.ac_model_close(model)


@pytest.mark.parametrize(
    "lengths, total, message",
    [([12], 10, "seqlens_k does not fit"), ([0], 10, "seqlens_k does not fit")],
)
def test_group_query_lengths_that_do_not_fit(accordion, lengths, total, message):
    with pytest.raises(accordion.Error, match=message):
        accordion.compile(group_query()).run(None, group_feeds(1, 2, 8, lengths, total))


@pytest.mark.parametrize(
    "attributes, extra, message",
    [
        ({"local_window_size": 0}, (), "local_window_size is 0, expected -1"),
        ({"local_window_size": 4, "causal": 0}, (), "local_window_size is 4, expected -1"),
        ({"sliding_window_cache": 1, "local_window_size": 4}, (), "sliding_window_cache is set"),
        ({"k_quant_type": "PER_TENSOR"}, (), "k_quant_type is PER_TENSOR, expected a cache of floating-point"),
        ({}, ("cos", "sin", "ids", "bias", "sink", "k_scale"), r"input 12 \(k_scale\) is not supported"),
    ],
)
def test_group_query_refuses(accordion, attributes, extra, message):
    given = [(name, (np.float32, [1]) if name == extra[-1] else None) for name in extra]
    with pytest.raises(accordion.Error, match=rf"node 'attention' \(com.microsoft.GroupQueryAttention\): {message}"):
        accordion.compile(group_query(given, **attributes))


#
# MultiHeadAttention
#

def columns_of(given):
    """The columns of a value's head: with a past, ONNX Runtime wants those of a key's."""
    return DEPTH if "past_value" in given else 12


def multi_head(given=(), outputs=("y",), attributes=None):
    width, columns = HEADS * DEPTH, columns_of(given)
    inputs = {
        "query": (np.float32, ["b", "s", width]),
        "key": (np.float32, ["b", "l", width]),
        "value": (np.float32, ["b", "l", HEADS * columns]),
        "bias": (np.float32, [2 * width + HEADS * columns]),
        "mask": None,
        "scores": (np.float32, ["c", "h", "s", "t"]),
        "past_key": (np.float32, ["b", HEADS, "p", DEPTH]),
        "past_value": (np.float32, ["b", HEADS, "p", columns]),
    }
    masks = {"lengths": ["b"], "padding": ["b", "t"], "choice": ["b", "s", "t"]}
    for name in given:
        if name in masks:
            inputs["mask"] = (np.int32, masks[name])
    kept = {"query", "key", "value", "mask", *given}
    inputs = {name: kind if name in kept else None for name, kind in inputs.items()}
    return make("MultiHeadAttention", inputs, list(outputs), num_heads=HEADS, **(attributes or {}))


def multi_feeds(given, batch, steps, length, past=0):
    rng, total = seeded(batch, steps, length, past), past + length
    width, columns = HEADS * DEPTH, columns_of(given)
    masks = {
        "lengths": lambda: rng.integers(1, total + 1, batch),
        "padding": lambda: rng.random((batch, total)) < 0.5,
        "choice": lambda: rng.random((batch, steps, total)) < 0.5,
    }
    feeds = {
        "query": rows("q", batch, steps, width),
        "key": rows("k", batch, length, width),
        "value": rows("v", batch, length, HEADS * columns),
        "bias": rows("b", 2 * width + HEADS * columns),
        "scores": rows("s", 1, HEADS, steps, total),
        "past_key": rows("pk", batch, HEADS, past, DEPTH),
        "past_value": rows("pv", batch, HEADS, past, columns),
    }
    for name in given:
        if name in masks:
            feeds["mask"] = masks[name]().astype(np.int32)
    kept = {"query", "key", "value", "mask", *given}
    return {name: value for name, value in feeds.items() if name in kept}


SIZES = [(2, 5, 7), (1, 1, 300), (1, 97, 65), (2, 20, 20), (1, 1, 1)]


@pytest.mark.parametrize(
    "given",
    [(), ("bias",), ("lengths",), ("padding",), ("choice",), ("scores",), ("bias", "padding", "scores")],
    ids=lambda given: "-".join(given) or "plain",
)
@pytest.mark.parametrize("unidirectional", [0, 1])
def test_multi_head(compare, given, unidirectional):
    model = multi_head(given, attributes={"unidirectional": unidirectional})
    sizes = [size for size in SIZES if not unidirectional or size[1] in (1, size[2])]
    compare(model, [multi_feeds(given, *size) for size in sizes], bound=2e-4 if "padding" in given else 2e-5)


@pytest.mark.parametrize("given", ["lengths", "padding"])
def test_multi_head_filter(compare, given):
    """What is added to the scores of hidden keys, and entries all of whose keys are hidden."""
    model = multi_head([given], attributes={"mask_filter_value": -3.0, "scale": 0.2})
    compare(model, [multi_feeds([given], *size) for size in SIZES])
    hidden = multi_feeds([given], 2, 5, 70)
    hidden["mask"][1] = 0
    compare(multi_head([given]), [hidden], bound=2e-3)


@pytest.mark.parametrize("given", [(), ("bias",), ("padding",)], ids=lambda given: "-".join(given) or "plain")
@pytest.mark.parametrize("unidirectional", [0, 1])
def test_multi_head_past(compare, given, unidirectional):
    given = (*given, "past_key", "past_value")
    attributes = {"unidirectional": unidirectional}
    model = multi_head(given, outputs=("y", "present_key", "present_value"), attributes=attributes)
    sizes = [(2, 5, 5, 4), (1, 1, 1, 300), (1, 40, 40, 64), (2, 3, 3, 0)]
    compare(model, [multi_feeds(given, *size) for size in sizes], bound=2e-4)


def test_multi_head_present(compare):
    """Keys and values by head, also without a past."""
    model = multi_head((), outputs=("y", "present_key", "present_value"))
    compare(model, [multi_feeds((), 2, 5, 5)])


def plain_multi_head(query, key, value):
    width = HEADS * DEPTH
    model = multi_head(())
    model.graph.input[2].type.tensor_type.shape.dim[2].dim_value = width
    flat = lambda x: x.reshape(*x.shape[:2], -1)  # noqa: E731
    return reference(model, {"query": flat(query), "key": flat(key), "value": flat(value)})


def test_multi_head_packed(accordion):
    """Queries, keys and values side by side for each head, or keys and values alone: only other providers have these."""
    packed = rows("packed", 2, 9, HEADS, 3, DEPTH)
    bias = rows("bias", 3, HEADS, DEPTH)
    dims = ["b", "s", HEADS]
    model = make("MultiHeadAttention", {"qkv": (np.float32, [*dims, 3, DEPTH])}, ["y"], num_heads=HEADS)
    want = plain_multi_head(*(packed[:, :, :, i] for i in range(3)))
    assert furthest(accordion.compile(model).run(None, {"qkv": packed}), want) < 2e-5
    inputs = {"qkv": (np.float32, [*dims, 3, DEPTH]), "k": None, "v": None, "bias": (np.float32, [3 * HEADS * DEPTH])}
    model = make("MultiHeadAttention", inputs, ["y"], num_heads=HEADS)
    want = plain_multi_head(*(packed[:, :, :, i] + bias[i] for i in range(3)))
    assert furthest(accordion.compile(model).run(None, {"qkv": packed, "bias": bias.ravel()}), want) < 2e-5
    query, pair = rows("query", 2, 5, HEADS * DEPTH), packed[:, :, :, :2].copy()
    inputs = {"q": (np.float32, ["b", "s", HEADS * DEPTH]), "kv": (np.float32, ["b", "l", HEADS, 2, DEPTH])}
    model = make("MultiHeadAttention", inputs, ["y"], num_heads=HEADS)
    want = plain_multi_head(query, pair[:, :, :, 0], pair[:, :, :, 1])
    assert furthest(accordion.compile(model).run(None, {"q": query, "kv": pair}), want) < 2e-5


def test_multi_head_cache(compare):
    """Keys and values as a cache holds them, by head."""
    by_head = (np.float32, ["b", HEADS, "l", DEPTH])
    inputs = {"query": (np.float32, ["b", "s", HEADS * DEPTH]), "key": by_head, "value": by_head}
    model = make("MultiHeadAttention", inputs, ["y"], num_heads=HEADS)
    feeds = {"query": rows("q", 2, 5, HEADS * DEPTH)}
    feeds |= {name: rows(name, 2, HEADS, 70, DEPTH) for name in ("key", "value")}
    compare(model, [feeds])


def test_multi_head_refuses(accordion):
    where = r"node 'attention' \(com.microsoft.MultiHeadAttention\): "
    with pytest.raises(accordion.Error, match=where + r"output 3 \(qk\) is not supported"):
        accordion.compile(multi_head((), outputs=("y", "", "", "qk")))
    model = multi_head(())
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 30
    with pytest.raises(accordion.Error, match=where + "query has 30 columns, expected a multiple of the 4 heads"):
        accordion.compile(model)
    with pytest.raises(accordion.Error, match="unidirectional is set for several queries and another number of keys"):
        accordion.compile(multi_head((), attributes={"unidirectional": 1})).run(None, multi_feeds((), 2, 5, 7))


#
# Attention
#


def attention(given=(), sizes=None, mask=None, **attributes):
    width = sum(sizes) if sizes else 3 * HEADS * DEPTH
    inputs = {
        "x": (np.float32, ["b", "s", 10]),
        "weights": (np.float32, [10, width]),
        "bias": (np.float32, [width]),
        "mask": (np.int32, mask) if mask else None,
        "past": (np.float32, [2, "b", HEADS, "p", DEPTH]),
        "scores": (np.float32, ["c", "h", "s", "t"]),
    }
    kept = {"x", "weights", "mask", *given}
    inputs = {name: kind if name in kept else None for name, kind in inputs.items()}
    more = {"qkv_hidden_sizes": sizes} if sizes else {}
    outputs = ["y", "present"] if "past" in given else ["y"]
    return make("Attention", inputs, outputs, num_heads=HEADS, **more, **attributes)


def attention_feeds(given, batch, steps, mask=None, past=0, width=3 * HEADS * DEPTH):
    feeds = {
        "x": rows("x", batch, steps, 10),
        "weights": rows("w", 10, width),
        "bias": rows("b", width),
        "past": rows("p", 2, batch, HEADS, past, DEPTH),
        "scores": rows("s", 1, HEADS, steps, past + steps),
    }
    kept = {"x", "weights", *given}
    feeds = {name: value for name, value in feeds.items() if name in kept}
    return feeds if mask is None else {**feeds, "mask": np.asarray(mask).astype(np.int32)}


@pytest.mark.parametrize("unidirectional", [0, 1])
@pytest.mark.parametrize("given", [(), ("bias",), ("bias", "scores"), ("bias", "past")], ids="-".join)
def test_attention(compare, given, unidirectional):
    model = attention(given, unidirectional=unidirectional)
    feeds = [attention_feeds(given, batch, steps, past=6 if "past" in given else 0) for batch, steps in ((2, 5), (1, 70), (1, 1))]
    compare(model, feeds, bound=1e-4)


def test_attention_sizes(compare):
    """Values of another size than queries and keys."""
    sizes = [HEADS * DEPTH, HEADS * DEPTH, HEADS * columns_of(())]
    feeds = [attention_feeds(["bias"], 2, 5, width=sum(sizes))]
    compare(attention(["bias"], sizes), feeds, bound=1e-4)


MASKS = {
    "lengths": (["b"], lambda rng: [5, 3]),
    "ends and beginnings": ([4], lambda rng: [5, 4, 0, 2]),
    "padding": (["b", "t"], lambda rng: rng.random((2, 5)) < 0.6),
    "choice": (["b", "s", "t"], lambda rng: rng.random((2, 5, 5)) < 0.6),
}


@pytest.mark.parametrize("unidirectional", [0, 1])
@pytest.mark.parametrize("kind", MASKS)
def test_attention_masks(compare, kind, unidirectional):
    shape, values = MASKS[kind]
    model = attention(["bias"], mask=shape, unidirectional=unidirectional)
    if kind == "ends and beginnings":  # which of both a list is must be known
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    compare(model, [attention_feeds(["bias"], 2, 5, values(seeded(kind)))], bound=2e-3)


@pytest.mark.parametrize(
    "mask, attributes, message",
    [
        (None, {"do_rotary": 1}, "do_rotary is set"),
        (["b", 1, 16, 16], {}, "mask_index has rank 4, expected 1 to 3"),
        (None, {"num_heads": 5}, "the product with the weights has 192 columns, expected a multiple of the 15 heads"),
    ],
)
def test_attention_refuses(accordion, mask, attributes, message):
    model = attention(mask=mask)
    node = model.graph.node[0]
    kept = [attribute for attribute in node.attribute if attribute.name not in attributes]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in attributes.items())])
    with pytest.raises(accordion.Error, match=rf"node 'attention' \(com.microsoft.Attention\): {message}"):
        accordion.compile(model)


#
# RotaryEmbedding
#


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("part", [0, 8], ids=["whole", "part"])
@pytest.mark.parametrize("first", [False, True], ids=["positions", "first position"])
@pytest.mark.parametrize("by_head", [False, True], ids=["rows", "by head"])
def test_rotary_embedding(compare, by_head, first, part, interleaved):
    half = (part or DEPTH) // 2
    dims = ["b", HEADS, "s", DEPTH] if by_head else ["b", "s", HEADS * DEPTH]
    inputs = {
        "x": (np.float32, dims),
        "ids": (np.int64, [1] if first else ["b", "s"]),
        "cos": (np.float32, ["n", half]),
        "sin": (np.float32, ["n", half]),
    }
    attributes = {"rotary_embedding_dim": part, "num_heads": HEADS} if part else {}
    model = make("RotaryEmbedding", inputs, ["y"], interleaved=interleaved, **attributes)
    feeds = []
    for batch, steps in ((2, 5), (1, 1), (3, 40)):
        shape = (batch, HEADS, steps, DEPTH) if by_head else (batch, steps, HEADS * DEPTH)
        ids = np.array([7]) if first else seeded(batch, steps).integers(0, 60, (batch, steps))
        feeds.append({"x": rows("x", *shape), "ids": ids, "cos": rows("c", 60, half), "sin": rows("s", 60, half)})
    compare(model, feeds)


def test_rotary_embedding_refuses(accordion):
    inputs = {"x": (np.float32, ["b", "s", 64]), "ids": (np.int64, ["b", "s"])}
    inputs |= {name: (np.float32, [60, 8]) for name in ("cos", "sin")}
    where = r"node 'attention' \(com.microsoft.RotaryEmbedding\): "
    for attributes, message in (
        ({"is_packed_batching": 1}, "is_packed_batching is set"),
        ({"scale": 2.0}, "scale is 2.0.*, expected 1"),
        ({"rotary_embedding_dim": 8}, "num_heads must be given with rotary_embedding_dim"),
    ):
        with pytest.raises(accordion.Error, match=where + message):
            accordion.compile(make("RotaryEmbedding", inputs, ["y"], **attributes))
    model = make("RotaryEmbedding", inputs, ["y"])
    feeds = {"x": rows("x", 1, 2, 64), "ids": np.array([[3, 60]]), "cos": rows("c", 60, 8), "sin": rows("s", 60, 8)}
    with pytest.raises(accordion.Error, match="a position is outside the cos and sin caches"):
        accordion.compile(model).run(None, feeds)
