"""Models that read: sentence vectors (MiniLM, two forms), letters to phonemes (a Loop)."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
from onnx import helper

from . import store, weights
from .graph import BOOL, FLOAT, INT64, Graph
from .text import WordPiece

SENTENCES = [
    "A man is eating food.",
    "Somebody is having a meal.",
    "The stock market fell sharply today.",
    "Share prices dropped a lot this afternoon.",
    "How do I install the compiler?",
    "What are the steps to set up the compiler on my machine?",
]


def tokens(sentences) -> dict[str, np.ndarray]:
    """Feeds of a BERT encoder, shorter sentences padded."""
    encode = WordPiece(store.get("minilm_vocabulary.txt")).encode
    rows = [encode(sentence) for sentence in sentences]
    numbers = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(numbers)
    for i, row in enumerate(rows):
        numbers[i, : len(row)], mask[i, : len(row)] = row, 1
    return {"input_ids": numbers, "attention_mask": mask, "token_type_ids": np.zeros_like(numbers)}


class _SentenceVectors:
    files = ("model.onnx",)

    def make(self, folder):
        self.make_model(folder / "model.onnx")
        np.savez(folder / "all.npz", **tokens(SENTENCES))
        np.savez(folder / "one.npz", **tokens(SENTENCES[:1]))

    def check(self, folder, open_model):
        run = open_model("model.onnx")
        vectors, alone = (self.vectors(run, dict(np.load(folder / name))) for name in ("all.npz", "one.npz"))
        alike = vectors @ vectors.T
        pairs = [alike[i, i + 1] for i in (0, 2, 4)]
        others = max(alike[i, j] for i in range(6) for j in range(i) if i // 2 != j // 2)
        shown = " ".join(f"{p:.2f}" for p in pairs)
        yield f"paraphrases {shown}, all other pairs below {others:.2f}", min(pairs) > others + 0.2
        far = np.abs(alone[0] - vectors[0]).max()
        yield f"padding changes nothing: {far:.0e}", far < 2e-3


class MiniLm(_SentenceVectors):
    name = "minilm_fp32"
    title = "sentence vectors: BERT encoder, pooling, normalisation in float32"

    def make_model(self, path):
        w = weights.read_safetensors(store.get("minilm.safetensors"))
        w = {name.removeprefix("bert."): value for name, value in w.items()}
        width, heads = 384, 12
        g = Graph()

        def linear(x, name):
            return g("Add", g("MatMul", x, w[f"{name}.weight"].T), w[f"{name}.bias"])

        def normalize(x, name):
            return g("LayerNormalization", x, w[f"{name}.weight"], w[f"{name}.bias"], axis=-1, epsilon=1e-12)

        def split(x, perm):
            return g("Transpose", g("Reshape", x, [0, 0, heads, width // heads]), perm=perm)

        length = g("Gather", g("Shape", "input_ids"), [1])
        position = g("Slice", w["embeddings.position_embeddings.weight"], [0], length, [0])
        word = g("Gather", w["embeddings.word_embeddings.weight"], "input_ids")
        kind = g("Gather", w["embeddings.token_type_embeddings.weight"], "token_type_ids")
        h = normalize(g("Add", g("Add", word, kind), position), "embeddings.LayerNorm")
        mask = g("Cast", "attention_mask", to=FLOAT)
        hidden = g("Mul", g("Sub", 1.0, g("Unsqueeze", mask, [1, 2])), -1e9)
        for layer in range(6):
            at = f"encoder.layer.{layer}."
            q = split(linear(h, at + "attention.self.query"), [0, 2, 1, 3])
            k = split(linear(h, at + "attention.self.key"), [0, 2, 3, 1])
            v = split(linear(h, at + "attention.self.value"), [0, 2, 1, 3])
            scores = g("Div", g("MatMul", q, k), float((width // heads) ** 0.5))
            mixed = g("MatMul", g("Softmax", g("Add", scores, hidden), axis=-1), v)
            mixed = g("Reshape", g("Transpose", mixed, perm=[0, 2, 1, 3]), [0, 0, width])
            h = g("Add", linear(mixed, at + "attention.output.dense"), h)
            h = normalize(h, at + "attention.output.LayerNorm")
            inner = g("Gelu", linear(h, at + "intermediate.dense"))
            h = normalize(g("Add", linear(inner, at + "output.dense"), h), at + "output.LayerNorm")
        column = g("Unsqueeze", mask, [2])
        total = g("ReduceSum", g("Mul", h, column), [1], keepdims=0)
        mean = g("Div", total, g("ReduceSum", column, [1], keepdims=0))
        g("LpNormalization", mean, axis=1, p=2, outputs="sentence_embedding")
        g("Identity", h, outputs="last_hidden_state")
        inputs = {name: (INT64, ["batch", "sequence"]) for name in ("input_ids", "attention_mask", "token_type_ids")}
        outputs = {
            "sentence_embedding": (FLOAT, ["batch", width]),
            "last_hidden_state": (FLOAT, ["batch", "sequence", width]),
        }
        onnx.save(g.model("minilm", inputs, outputs, opset=20, ir=9), path)

    def vectors(self, run, feeds):
        return run(feeds)[0]


class MiniLmInt8(_SentenceVectors):
    name = "minilm_w8"
    title = "sentence vectors: int8 weights, dequantised in the graph"

    def make_model(self, path):
        shutil.copyfile(store.get("minilm_w8.onnx"), path)

    def vectors(self, run, feeds):
        mask = feeds["attention_mask"][..., None]
        mean = (run(feeds)[0] * mask).sum(1) / mask.sum(1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


class Phonemes:
    name = "g2p_loop"
    title = "letters to phonemes: GRU, and a Loop that stops when the word is spoken"
    files = ("model.onnx",)
    LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
    END = 3
    PHONEMES = (
        "<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 "
        "EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH "
        "UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
    ).split()
    # As the package's own numpy code spells them.
    SPOKEN = {
        "activationist": "AE2 K T IH0 V EY1 SH AH0 N IH0 S T",
        "tensor": "T EH1 N S ER0",
        "kernel": "K ER1 N AH0 L",
        "cat": "K AE1 T",
        "blackboard": "B L AE1 K B AO2 R D",
        "quantized": "K W AA1 N T IH0 Z D",
    }

    def make(self, folder):
        w = {name: value.astype(np.float32) for name, value in np.load(store.get("g2p.npz")).items()}
        size = w["fc_w"].shape[1]

        def gates(a):  # PyTorch: reset, update, new; ONNX: update, reset, new
            return np.concatenate([a[size : 2 * size], a[:size], a[2 * size :]])

        def gru(side):
            bias = np.concatenate([gates(w[f"{side}_b_ih"]), gates(w[f"{side}_b_hh"])])
            return gates(w[f"{side}_w_ih"])[None], gates(w[f"{side}_w_hh"])[None], bias[None]

        g, step = Graph(), Graph("step_")
        letters = g("Unsqueeze", g("Gather", w["enc_emb"], "letters"), [1])
        _, state = g("GRU", letters, *gru("enc"), outputs=2, hidden_size=size, linear_before_reset=1)

        x = step("Reshape", step("Gather", "speak_embedding", "last"), [1, 1, -1])
        weights_of_step = ("speak_w", "speak_r", "speak_b")
        _, after = step(
            "GRU", x, *weights_of_step, None, "state", outputs=["sequence", "after"], hidden_size=size, linear_before_reset=1
        )
        logits = step("Gemm", step("Reshape", after, [1, size]), "out_w", "out_b", transB=1)
        step("ArgMax", logits, axis=1, keepdims=0, outputs="next")
        step("Not", step("Equal", step("Squeeze", "next", [0]), self.END), outputs="again")
        step("Identity", "next", outputs="phoneme")
        value = helper.make_tensor_value_info
        body = helper.make_graph(
            step.nodes,
            "speak",
            [value("i", INT64, []), value("go", BOOL, []), value("last", INT64, [1]), value("state", FLOAT, [1, 1, size])],
            [value("again", BOOL, []), value("next", INT64, [1]), value("after", FLOAT, [1, 1, size]), value("phoneme", INT64, [1])],
            step.initializers,
        )
        # The body takes these from the graph around it.
        captured = [w["dec_emb"], *gru("dec"), w["fc_w"], w["fc_b"]]
        for name, array in zip(("speak_embedding", *weights_of_step, "out_w", "out_b"), captured):
            g.constant(array, name)
        *_, said = g("Loop", 20, np.array(True), [2], state, outputs=3, body=body)
        g("Squeeze", said, [1], outputs="phonemes")
        model = g.model("g2p", {"letters": (INT64, ["n"])}, {"phonemes": (INT64, ["m"])}, opset=17, ir=8)
        onnx.save(model, folder / "model.onnx")

    def check(self, folder, open_model):
        run = open_model("model.onnx")
        for word, wanted in self.SPOKEN.items():
            (numbers,) = run({"letters": np.array([self.LETTERS.index(c) for c in word] + [2])})
            said = " ".join(self.PHONEMES[n] for n in numbers if n != self.END)
            yield f"{word}: {said} ({len(numbers)} steps)", said == wanted
