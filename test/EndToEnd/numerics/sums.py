"""Operators that sum: reductions, normalisations, products, convolutions, attention, recurrent layers."""

from __future__ import annotations

import re

import numpy as np

from .graphs import Case


def normal(*shape, seed=0, mean=0.0, scale=1.0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape) * scale + mean


def axes(*values):
    return np.array(values, np.int64)


def cancelling(rows, depth, seed=0):
    """Rows that end with the negative of their beginning."""
    half = normal(rows, depth // 2, seed=seed)
    return np.concatenate([half, -half], axis=1)


def reduction(op, name, x, axis, bound, scale=None, **options):
    return Case(name, [(op, ["x", "axes"], {"keepdims": 0})], {"x": x}, {"axes": axes(axis)}, scale, {"f32": bound}, **options)


def of_result(want, **_):
    return np.abs(want)


def reductions():
    wide, tall = normal(24, 16384), normal(2048, 70, seed=1)
    positive = np.exp(normal(8, 256, seed=2, scale=0.01))
    result = []
    for op in ("ReduceSum", "ReduceMean", "ReduceL1", "ReduceSumSquare"):
        result.append(reduction(op, f"{op} of rows of 16384", wide, 1, 8))
        if op in ("ReduceSum", "ReduceSumSquare"):
            result.append(reduction(op, f"{op} of columns of 2048", tall, 0, 64))
    result += [
        reduction("ReduceSum", "ReduceSum that cancels", cancelling(9, 16384), 1, 8),
        reduction("ReduceL2", "ReduceL2 of rows of 16384", wide, 1, 8),
        reduction("ReduceProd", "ReduceProd of 256", positive, 1, 64),
        # log of a sum, to which the error of the exponents comes: that of x - max
        reduction(
            "ReduceLogSumExp",
            "ReduceLogSumExp of rows of 16384",
            wide * 8,
            1,
            4,
            lambda want, x, **_: np.abs(x).max(1) + np.abs(want),
        ),
        Case(
            "CumSum of 4096", [("CumSum", ["x", "axis"], {})], {"x": normal(4, 4096)}, {"axis": np.array(1)}, bound={"f32": 16}
        ),
    ]
    return result


def softmax_scale(want, x, **_):
    # e^(x - max) is as wrong as x - max, relatively.
    return want * (1 + np.abs(x - x.max(-1, keepdims=True)) + np.abs(x).max(-1, keepdims=True))


def log_softmax_scale(want, x, **_):
    return np.abs(want) + np.abs(x).max(-1, keepdims=True)


def layer_scale(want, x, scale, bias, **_):
    """The normalised magnitudes, not differences: what the mean takes away is in the error."""
    spread = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return (np.abs(x) + np.abs(x.mean(-1, keepdims=True))) / spread * np.abs(scale) + np.abs(bias)


def group_normalization(x, scale, bias):
    groups = x.reshape(x.shape[0], 4, -1)
    distance = groups - groups.mean(-1, keepdims=True)
    result = distance / np.sqrt(groups.var(-1, keepdims=True) + np.float64(np.float32(1e-5)))
    return result.reshape(x.shape) * scale[:, None, None] + bias[:, None, None]


def group_scale(want, x, scale, bias, **_):
    groups = x.reshape(x.shape[0], 4, -1)
    spread = np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    size = (np.abs(groups) + np.abs(groups.mean(-1, keepdims=True))) / spread
    return size.reshape(x.shape) * np.abs(scale)[:, None, None] + np.abs(bias)[:, None, None]


def batch_scale(want, x, scale, bias, mean, variance, **_):
    along = (slice(None), None, None)
    factor = np.abs(scale) / np.sqrt(variance + 1e-5)
    return (np.abs(x) + np.abs(mean)[along]) * factor[along] + np.abs(bias)[along]


def normalisations():
    channels = {"scale": normal(12, seed=3), "bias": normal(12, seed=4)}
    rows = {"scale": normal(768, seed=3), "bias": normal(768, seed=4)}
    image = normal(2, 12, 9, 11, mean=1)
    statistics = {**channels, "mean": normal(12, seed=5), "variance": normal(12, seed=6) ** 2}
    return [
        Case("Softmax of 1000", [("Softmax", ["x"], {})], {"x": normal(17, 1000, scale=10)}, {}, softmax_scale, {"f32": 4}),
        Case(
            "LogSoftmax of 1000",
            [("LogSoftmax", ["x"], {})],
            {"x": normal(17, 1000, scale=10)},
            {},
            log_softmax_scale,
            {"f32": 4},
        ),
        Case(
            "LayerNormalization of 768",
            [("LayerNormalization", ["x", "scale", "bias"], {})],
            {"x": normal(9, 768)},
            rows,
            layer_scale,
            {"f32": 8},
        ),
        Case(
            "LayerNormalization far from zero",
            [("LayerNormalization", ["x", "scale", "bias"], {})],
            {"x": normal(9, 768, mean=100)},
            rows,
            layer_scale,
            {"f32": 8},
        ),
        Case(
            "RMSNormalization of 768",
            [("RMSNormalization", ["x", "scale"], {})],
            {"x": normal(9, 768)},
            {"scale": rows["scale"]},
            of_result,
            {"f32": 8},
        ),
        Case(
            "BatchNormalization",
            [("BatchNormalization", ["x", "scale", "bias", "mean", "variance"], {})],
            {"x": image},
            statistics,
            batch_scale,
            {"f32": 4},
        ),
        Case(
            "GroupNormalization",
            [("GroupNormalization", ["x", "scale", "bias"], {"num_groups": 4})],
            {"x": image},
            channels,
            group_scale,
            {"f32": 8},
            reference=group_normalization,
        ),
        Case(
            "InstanceNormalization",
            [("InstanceNormalization", ["x", "scale", "bias"], {})],
            {"x": image},
            channels,
            lambda want, **_: np.abs(want).max() + 2,
            {"f32": 8},
        ),
    ]


def products():
    result = []
    for depth, bound in ((1, 1), (17, 8), (768, 8), (16384, 16)):
        left, right = normal(7, depth), normal(depth, 37, seed=1)
        result.append(Case(f"MatMul, K = {depth}", [("MatMul", ["x", "w"], {})], {"x": left, "w": right}, bound={"f32": bound}))
        name = f"MatMul by weights, K = {depth}"
        if depth > 17:
            result.append(Case(name, [("MatMul", ["x", "w"], {})], {"x": left}, {"w": right}, bound={"f32": bound}))
    columns = np.repeat(normal(384, 37, seed=2)[None], 2, 0).reshape(768, 37)
    transposed = {"alpha": 0.5, "beta": 2.0, "transA": 1, "transB": 1}
    result += [
        Case(
            "MatMul of one row, K = 768",
            [("MatMul", ["x", "w"], {})],
            {"x": normal(1, 768)},
            {"w": normal(768, 99)},
            bound={"f32": 8},
        ),
        Case("MatMul that cancels", [("MatMul", ["x", "w"], {})], {"x": cancelling(7, 768)}, {"w": columns}, bound={"f32": 8}),
        Case(
            "MatMul of batches", [("MatMul", ["x", "w"], {})], {"x": normal(3, 5, 65), "w": normal(3, 65, 33)}, bound={"f32": 8}
        ),
        Case(
            "Gemm, transposed",
            [("Gemm", ["x", "w", "c"], transposed)],
            {"x": normal(129, 9)},
            {"w": normal(21, 129), "c": normal(21)},
            bound={"f32": 8},
        ),
    ]
    return result


def convolution(name, channels, weights, bound, size=(13, 17), op="Conv", **attributes):
    return Case(
        name,
        [(op, ["x", "w", "b"], attributes)],
        {"x": normal(2, channels, *size)},
        {"w": normal(*weights, seed=1), "b": normal(weights[0] if op == "Conv" else weights[1], seed=2)},
        bound={"f32": bound},
    )


def largest(want, x, **_):
    """Positions between elements are rounded: a result is off by a part of what its neighbours differ by."""
    return np.full_like(want, np.abs(x).max())


# Positions are f32 for elements of f64 too, as in ONNX Runtime. ONNX's implementation makes numbers of infinities.
RESIZED = {"f32": 64, "f64": 64 * 2.0**29}


def convolutions():
    return [
        convolution("Conv 3x3", 16, (24, 16, 3, 3), 8, pads=[1, 1, 1, 1]),
        convolution("Conv 3x3, stride 2", 16, (24, 16, 3, 3), 8, pads=[1, 1, 1, 1], strides=[2, 2]),
        convolution("Conv 1x1", 64, (24, 64, 1, 1), 8),
        convolution("Conv of groups", 16, (24, 4, 3, 3), 8, pads=[1, 1, 1, 1], group=4),
        convolution("Conv, depthwise", 16, (16, 1, 5, 5), 8, pads=[2, 2, 2, 2], group=16),
        convolution("ConvTranspose", 8, (8, 12, 3, 3), 8, op="ConvTranspose", strides=[2, 2]),
        # ONNX's implementation leaves NaN out of a mean.
        Case(
            "AveragePool",
            [("AveragePool", ["x"], {"kernel_shape": [7, 7]})],
            {"x": normal(2, 5, 20, 20)},
            bound={"f32": 8},
            special=False,
        ),
        Case("GlobalAveragePool", [("GlobalAveragePool", ["x"], {})], {"x": normal(2, 5, 56, 56)}, bound={"f32": 8}),
        Case(
            "Resize, linear",
            [("Resize", ["x", "", "", "sizes"], {"mode": "linear"})],
            {"x": normal(1, 3, 9, 10)},
            {"sizes": axes(1, 3, 23, 17)},
            largest,
            RESIZED,
            special=False,
        ),
        Case(
            "Resize, cubic",
            [("Resize", ["x", "", "", "sizes"], {"mode": "cubic"})],
            {"x": normal(1, 3, 9, 10)},
            {"sizes": axes(1, 3, 23, 17)},
            largest,
            RESIZED,
            special=False,
        ),
    ]


def attention_scale(want, q, k, v, **_):
    """Weights are as wrong as scores, relatively, and scores as the products that they are sums of."""
    scores = np.abs(q) @ np.abs(k).swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    return np.abs(v).max(-2, keepdims=True) * (1 + scores.max(-1, keepdims=True))


def within(want, **_):
    """Gates and states are within one; what is multiplied into them adds up, step by step."""
    return np.full_like(want, 4.0)


def recurrent(gates):
    weights = {"w": normal(1, gates * 20, 24, scale=0.3), "r": normal(1, gates * 20, 20, scale=0.3)}
    return {**weights, "b": normal(1, 2 * gates * 20, scale=0.3)}


def layers():
    heads = {name: normal(2, 3, 65, 32, seed=seed) for seed, name in enumerate("qkv")}
    causal = {"is_causal": 1}
    sequence = {"x": normal(30, 3, 24)}
    return [
        Case("Attention", [("Attention", ["q", "k", "v"], {})], heads, {}, attention_scale, {"f32": 4}),
        # What is masked is not read, where the formula multiplies it by zero.
        Case(
            "Attention, causal", [("Attention", ["q", "k", "v"], causal)], heads, {}, attention_scale, {"f32": 4}, special=False
        ),
        Case(
            "LSTM of 30 steps",
            [("LSTM", ["x", "w", "r", "b"], {"hidden_size": 20})],
            sequence,
            recurrent(4),
            within,
            {"f32": 8},
        ),
        Case(
            "GRU of 30 steps", [("GRU", ["x", "w", "r", "b"], {"hidden_size": 20})], sequence, recurrent(3), within, {"f32": 8}
        ),
        Case(
            "RNN of 30 steps", [("RNN", ["x", "w", "r", "b"], {"hidden_size": 20})], sequence, recurrent(1), within, {"f32": 8}
        ),
    ]


def quantized():
    """Matrices of small integers; the scale is a float of the model's type."""
    rng = np.random.default_rng(9)
    matrix = rng.integers(-128, 128, (768, 40)).astype(np.int8)
    factors = np.exp(normal(40, scale=0.3)) / 100
    dequantized = [("DequantizeLinear", ["w", "s"], {"axis": 1}), ("MatMul", ["x", "0"], {})]

    def scale(want, x, w, s):
        return np.abs(x) @ (np.abs(w.astype(np.float64)) * s)

    integers = {"x": rng.integers(0, 256, (9, 768)).astype(np.uint8)}
    points = {"w": matrix, "a": np.array(131, np.uint8), "s": factors}
    return [
        Case(
            "MatMul of dequantised weights", dequantized, {"x": normal(7, 768)}, {"w": matrix, "s": factors}, scale, {"f32": 8}
        ),
        Case(
            "MatMulInteger, scaled",
            [("MatMulInteger", ["x", "w", "a"], {}), ("CastLike", ["0", "s"], {}), ("Mul", ["1", "s"], {})],
            integers,
            points,
            of_result,
            {"f32": 2},
            kinds=("f32", "f64"),
        ),
    ]


# The same kernels as others, with another shape or another last step: compiling them for four types would take longer than
# all else of the suite.
IN_SINGLE_ALONE = re.compile(
    "ReduceMean|ReduceL1|ReduceSumSquare of columns|MatMul by weights, K = 1|MatMul of (one|batches)|Gemm|stride 2|of groups|"
    "ConvTranspose|AveragePool|far from zero|InstanceNormalization|RNN|MatMul, K = 768|Attention$"
)


def cases() -> list[Case]:
    result = [*reductions(), *normalisations(), *products(), *convolutions(), *layers(), *quantized()]
    for case in result:
        case.flushes = any(op in ("MatMul", "Gemm", "Conv", "ConvTranspose") for op, *_ in case.nodes)
        if IN_SINGLE_ALONE.search(case.name):
            case.kinds = ("f32",)
    return result
