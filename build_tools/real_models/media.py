"""Sound and pictures as arrays."""

from __future__ import annotations

import wave

import numpy as np


def read_wave(path) -> tuple[int, np.ndarray]:
    """Sampling rate and the first channel, in -1..1."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return file.getframerate(), samples[:, 0].astype(np.float32) / 32768


def resample(x: np.ndarray, old: float, new: float) -> np.ndarray:
    """Band-limited interpolation: a Hann-windowed sinc of 24 zero crossings a side, summed directly."""
    ratio = new / old
    cutoff = 0.94 * min(1.0, ratio)
    reach = int(24 / cutoff)
    taps = np.arange(-reach, reach + 1)
    padded = np.pad(x.astype(np.float64), reach + 1)
    pieces = []
    for begin in range(0, int(len(x) * ratio), 4096):
        time = np.arange(begin, min(begin + 4096, int(len(x) * ratio))) / ratio
        left = np.floor(time).astype(int)
        distance = taps - (time - left)[:, None]
        window = 0.5 + 0.5 * np.cos(np.pi * np.clip(distance / (reach + 1), -1, 1))
        pieces.append((cutoff * np.sinc(cutoff * distance) * window * padded[left[:, None] + taps + reach + 1]).sum(1))
    return np.concatenate(pieces).astype(np.float32)


def mel_power(x: np.ndarray, rate=16000, window=400, hop=160, bands=40) -> np.ndarray:
    """Power per mel band (Slaney's scale and normalisation), frames centred; [frames, bands]."""
    to_hertz = lambda mel: np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    top = 15 + 27 * np.log(rate / 2 / 1000) / np.log(6.4)
    edges = to_hertz(np.linspace(0, top, bands + 2))
    bins = np.arange(window // 2 + 1) * rate / window
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0, None)
    triangles *= 2 / (high - low)
    padded = np.pad(x.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return (np.abs(np.fft.rfft(frames * hann)) ** 2 @ triangles.T).astype(np.float32)


def planes(image, width: int, height: int, bgr: bool = False) -> np.ndarray:
    """A picture scaled to [3, height, width], values 0..255."""
    from PIL import Image

    pixels = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR), np.float32)
    return np.ascontiguousarray((pixels[..., ::-1] if bgr else pixels).transpose(2, 0, 1))
