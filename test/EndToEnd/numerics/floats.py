"""The floating-point types: their values, units in the last place, and how wrong a result is."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
from onnx import TensorProto


@dataclass(frozen=True)
class Float:
    """A type the compiler supports, and the one its references are computed in."""

    name: str
    dtype: np.dtype
    onnx: int
    wide: type

    @property
    def info(self):
        return ml_dtypes.finfo(self.dtype)

    @property
    def width(self) -> int:
        return self.dtype.itemsize * 8

    @property
    def eps(self) -> float:
        """Half a unit in the last place of one: the most that rounding can be wrong, relatively."""
        return 2.0 ** -(int(self.info.nmant) + 1)


FLOATS = {
    f.name: f
    for f in (
        Float("f32", np.dtype(np.float32), TensorProto.FLOAT, np.float64),
        Float("f16", np.dtype(np.float16), TensorProto.FLOAT16, np.float64),
        Float("bf16", np.dtype(ml_dtypes.bfloat16), TensorProto.BFLOAT16, np.float64),
        Float("f64", np.dtype(np.float64), TensorProto.DOUBLE, np.longdouble),
    )
}


def patterns(kind: Float, stride: int) -> np.ndarray:
    """Every `stride`-th bit pattern: with a stride of one, all values there are."""
    bits = np.arange(0, 1 << kind.width, stride, dtype=np.uint64)
    return bits.astype(f"u{kind.width // 8}").view(kind.dtype)


def adversarial(kind: Float) -> np.ndarray:
    """Zeros, denormals, the largest, infinities and NaN, of both signs, and the neighbours of round numbers."""
    info, wide = kind.info, kind.wide
    tiny, small, large = (wide(x) for x in (info.smallest_subnormal, info.smallest_normal, info.max))
    eps = wide(info.eps)
    values = [wide(0), tiny, 2 * tiny, small - tiny, small, small * (1 + eps), large, large / 2, wide(np.inf), wide(np.nan)]
    # Where functions change their formula, overflow or lose their argument.
    for centre in (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5.5, 8, 10, 16.6, 20, 44, 87.3, 88.7, 89, 103.9, 709.7, 745.1):
        values += [wide(centre) * (1 + step * eps) for step in (-1, 0, 1)]
    for turn in range(1, 9):
        values += [turn * np.arctan(wide(1)) * (1 + step * eps) for step in (-1, 0, 1)]
    values += [
        turn * np.log(wide(2)) * (1 + step * eps) for turn in (0.5, 1, 1.5, 126, 127, 128, 148, 149) for step in (-1, 0, 1)
    ]
    values += [wide(2) ** n for n in range(-24, 25)]
    values = np.array(values)
    return round_to(kind, np.concatenate([values, -values]))


def round_to(kind: Float, values) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(kind.dtype)


def ulp(kind: Float, reference: np.ndarray) -> np.ndarray:
    """The distance of the floats around each reference; of those below the normal numbers, the least of all."""
    mantissa, least = int(kind.info.nmant), int(kind.info.minexp)
    _, exponent = np.frexp(np.where(np.isfinite(reference), reference, 1))
    # frexp has its fraction below one.
    exponent = np.clip(exponent - 1, least, int(kind.info.maxexp) - 1)
    return np.ldexp(np.ones((), kind.wide), exponent - mantissa)


def in_ulps(kind: Float, got: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many units in the last place each result is off, and where it is of the wrong kind: a number, an infinity of
    one sign or NaN where another is due. An infinity instead of a number counts as the next one behind the largest,
    because a result just below may round there. A zero that is exact has the sign of the reference."""
    assert got.dtype == kind.dtype and got.shape == reference.shape, (got.dtype, got.shape, reference.shape)
    got, reference = got.astype(kind.wide), reference.astype(kind.wide)
    beyond = np.ldexp(np.ones((), kind.wide), int(kind.info.maxexp))
    wrong = np.isnan(got) != np.isnan(reference)
    wrong |= np.isinf(reference) & (got != reference)
    wrong |= (reference == 0) & (got == 0) & (np.signbit(got) != np.signbit(reference))
    # Both clipped, so that two infinities are equal and the largest number is one step from there.
    got, reference = (
        np.clip(np.nan_to_num(x, nan=0, posinf=np.inf, neginf=-np.inf), -beyond, beyond) for x in (got, reference)
    )
    error = np.abs(got - reference) / ulp(kind, reference)
    return np.where(wrong, 0, error), wrong
