"""Models that listen: voice activity (Silero), who speaks (Resemblyzer)."""

from __future__ import annotations

import shutil

import numpy as np
import onnx

from . import media, store, weights
from .graph import FLOAT, Graph


def spoken(name: str, rate: int = 16000) -> np.ndarray:
    """One of the voice samples that Debian's alsa-utils test loudspeakers with."""
    own, samples = media.read_wave(store.get(f"{name}.wav"))
    return media.resample(samples, own, rate)


class SileroVad:
    name = "silero_vad"
    title = "voice activity: nested If, LSTM, state carried from call to call"
    files = ("model.onnx",)
    FRAME = {16000: (512, 64), 8000: (256, 32)}  # rate: new samples a call, samples of context before them

    def make(self, folder):
        shutil.copyfile(store.get("silero_vad.onnx"), folder / "model.onnx")
        voice, second = spoken("Front_Center"), np.zeros(16000, np.float32)
        audio = np.concatenate([second, voice, second])
        noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.02
        np.savez(folder / "case.npz", audio=audio, slow=media.resample(audio, 16000, 8000), noise=noise, voice=len(voice))

    def probabilities(self, run, audio, rate):
        """The probability of speech in each frame."""
        size, context = self.FRAME[rate]
        state, before, result = np.zeros((2, 1, 128), np.float32), np.zeros(context, np.float32), []
        for begin in range(0, len(audio) - size + 1, size):
            frame = np.concatenate([before, audio[begin : begin + size]])
            answer, state = run({"input": frame[None], "state": state, "sr": np.array(rate, np.int64)})
            result.append(float(answer[0, 0]))
            before = frame[-context:]
        return np.array(result)

    def check(self, folder, open_model):
        run = open_model("model.onnx")
        case = np.load(folder / "case.npz")
        for rate, audio in ((16000, case["audio"]), (8000, case["slow"])):
            p = self.probabilities(run, audio, rate)
            frame = self.FRAME[rate][0]
            first, last = rate // frame, (rate + int(case["voice"]) * rate // 16000) // frame
            inside, before = p[first:last].max(), p[: first - 1].max()
            yield f"{rate} Hz: speech {inside:.2f} > 0.8, the silence before {before:.2f} < 0.3", inside > 0.8 and before < 0.3
        p = self.probabilities(run, case["noise"], 16000)
        yield f"noise: {p.mean():.2f} < 0.3", p.mean() < 0.3


class Resemblyzer:
    name = "resemblyzer"
    title = "a vector for a speaker: three LSTM operators, batch and frames dynamic"
    files = ("model.onnx",)

    def make(self, folder):
        state = weights.read_old_torch(store.get("resemblyzer.pt"), "model_state")
        g = Graph()
        # PyTorch orders the gates input, forget, cell, output; ONNX input, output, forget, cell.
        gates = lambda a: np.concatenate([a[:256], a[768:], a[256:768]])
        x = g("Transpose", "mels", perm=[1, 0, 2])
        for layer in range(3):
            kernel, recurrence, *bias = (
                gates(state[f"lstm.{part}_l{layer}"]) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            sequence, last = g("LSTM", x, kernel[None], recurrence[None], np.concatenate(bias)[None], outputs=2, hidden_size=256)
            x = g("Squeeze", sequence, [1])
        raw = g("Relu", g("Gemm", g("Squeeze", last, [0]), state["linear.weight"], state["linear.bias"], transB=1))
        g("Div", raw, g("ReduceL2", raw, axes=[1], keepdims=1), outputs="embedding")
        types = {"mels": (FLOAT, ["batch", "frames", 40])}, {"embedding": (FLOAT, ["batch", 256])}
        onnx.save(g.model("resemblyzer", *types, opset=17, ir=8), folder / "model.onnx")

        loudness = lambda x: x * (10 ** (-30 / 20) / np.sqrt((x**2).mean()))
        windows = lambda x: np.stack([m[i : i + 160] for m in [media.mel_power(loudness(x))] for i in range(0, len(m) - 159, 40)])

        def said(*names):
            parts = []
            for name in names:
                x = spoken(name)
                loud = np.flatnonzero(np.abs(x) > 0.02)
                parts.append(x[loud[0] : loud[-1] + 1])
            return np.concatenate(parts)

        first = said("Front_Left", "Rear_Center", "Side_Right")
        second = said("Front_Right", "Rear_Left", "Side_Left")
        noise = np.resize(spoken("Noise"), len(first))
        lowered = media.resample(first, 10, 13)  # played slower by a fourth: another voice
        np.savez(
            folder / "case.npz", first=windows(first), second=windows(second), lowered=windows(lowered), noise=windows(noise)
        )

    def check(self, folder, open_model):
        run = open_model("model.onnx")
        case = np.load(folder / "case.npz")

        def vector(name):
            mean = run({"mels": case[name]})[0].mean(0)
            return mean / np.linalg.norm(mean)

        first, second, lowered, noise = map(vector, ("first", "second", "lowered", "noise"))
        same, other, none = first @ second, first @ lowered, first @ noise
        yield (
            f"same speaker {same:.2f}, lowered voice {other:.2f}, noise {none:.2f}",
            same > 0.75 and same > other + 0.08 and same > none + 0.2,
        )
        short = run({"mels": case["second"][:1, :100]})[0][0]
        yield f"one window of 100 frames: still the same speaker, {short @ second:.2f} > 0.65", short @ second > 0.65
