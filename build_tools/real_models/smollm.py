"""SmolLM2-135M, a small Llama, in three forms: float32 with its weights beside it, 4-bit and 8-bit weights in the graph,
and with the attention operators of opset 23."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper

from . import store
from .graph import BOOL, FLOAT, INT64, Graph
from .text import BytePairs
from .weights import Gguf

LAYERS, HEADS, GROUPS, HEAD, WIDTH, VOCABULARY = 30, 9, 3, 64, 576, 49152
ENDS = (0, 2)  # end of text, end of a turn


class _Builder:
    def __init__(self, gguf: Gguf, form: str):
        self.gguf, self.form, self.g = gguf, form, Graph()
        self.epsilon = float(np.float32(gguf.metadata["llama.attention.layer_norm_rms_epsilon"]))
        frequency = gguf.metadata["llama.rope.freq_base"] ** (-np.arange(0, HEAD, 2) / HEAD)
        self.angle = np.arange(2048)[:, None] * frequency

    @staticmethod
    def unpair(array, heads):
        """GGUF keeps the two halves of a rotated head interleaved; here they follow each other."""
        return array.reshape(heads, HEAD // 2, 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)

    def matrix(self, name):
        """A weight as [in, out], dequantised in the graph in the 4-bit form."""
        heads = {"attn_q": HEADS, "attn_k": GROUPS}.get(name.split(".")[-2])
        fix = (lambda a: self.unpair(a, heads)) if heads else (lambda a: a)
        label = name.replace(".", "_")
        g = self.g
        if self.form != "w4" or self.gguf.kind(name) == Gguf.F32:
            return g.constant(fix(self.gguf.dense(name)).T, label)
        return g("Transpose", self.dequantized(label, *map(fix, self.gguf.blocks(name))), perm=[1, 0])

    def dequantized(self, label, quantised, scale, minimum=None):
        g = self.g
        scale = g.constant(scale, f"{label}_scale")
        if minimum is None:
            return g("DequantizeLinear", g.constant(quantised, f"{label}_i8"), scale, axis=1, block_size=32)
        flat = quantised.reshape(-1)
        packed = (flat[0::2] | flat[1::2] << 4).astype(np.uint8).tobytes()
        tensor = helper.make_tensor(f"{label}_u4", TensorProto.UINT4, quantised.shape, packed, raw=True)
        x = g("DequantizeLinear", g.tensor(tensor), scale, axis=1, block_size=32)
        rows, columns = quantised.shape
        x = g("Add", g("Reshape", x, [rows, columns // 32, 32]), g.constant(minimum[..., None], f"{label}_minimum"))
        return g("Reshape", x, [rows, columns])

    def embedding(self):
        name = "token_embd.weight"
        if self.form == "w4" and self.gguf.kind(name) != Gguf.F32:
            return self.dequantized("token_embd", *self.gguf.blocks(name))
        return self.g.constant(self.gguf.dense(name), "token_embd")

    def rms(self, x, name):
        g, weight = self.g, self.gguf.dense(name)
        if self.form == "op23":
            return g("RMSNormalization", x, weight, axis=-1, epsilon=self.epsilon)
        square = g("ReduceMean", g("Pow", x, 2.0), [-1], keepdims=1)
        return g("Mul", g("Mul", x, g("Reciprocal", g("Sqrt", g("Add", square, self.epsilon)))), weight)

    def rotate(self, x):
        g = self.g
        if self.form == "op23":
            return g("RotaryEmbedding", x, self.cosine, self.sine, "position_ids")
        first, second = g("Split", x, outputs=2, axis=-1, num_outputs=2)
        turned = g("Concat", g("Neg", second), first, axis=-1)
        return g("Add", g("Mul", x, self.cosine), g("Mul", turned, self.sine))

    def attend(self, q, k, v, layer):
        g = self.g
        past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
        present = [f"present.{layer}.{part}" for part in ("key", "value")]
        if self.form == "op23":
            names = [f"attention_{layer}", *present]
            return g("Attention", q, k, v, self.visible, *past, outputs=names, scale=HEAD**-0.5)[0]
        k = g("Concat", past[0], k, axis=2, outputs=present[0])
        v = g("Concat", past[1], v, axis=2, outputs=present[1])
        # Three heads share a key and a value: broadcasting over an axis of their own.
        q = g("Reshape", q, [0, GROUPS, HEADS // GROUPS, -1, HEAD])
        k, v = g("Unsqueeze", k, [2]), g("Unsqueeze", v, [2])
        scores = g("Mul", g("MatMul", q, g("Transpose", k, perm=[0, 1, 2, 4, 3])), HEAD**-0.5)
        mixed = g("MatMul", g("Softmax", g("Add", scores, self.bias), axis=-1), v)
        return g("Reshape", mixed, [0, HEADS, -1, HEAD])

    def build(self):
        g = self.g
        embedding = self.embedding()
        cosine, sine = np.cos(self.angle).astype(np.float32), np.sin(self.angle).astype(np.float32)
        if self.form == "op23":
            self.cosine, self.sine = g.constant(cosine, "cosine"), g.constant(sine, "sine")
        else:
            row = lambda a, name: g("Unsqueeze", g("Gather", g.constant(np.tile(a, 2), name), "position_ids"), [1])
            self.cosine, self.sine = row(cosine, "cosine"), row(sine, "sine")
        total = g("Gather", g("Shape", "attention_mask"), 1)
        column = g("Unsqueeze", g("Range", 0, total, 1), [0, 1, 2])
        earlier = g("LessOrEqual", column, g("Unsqueeze", "position_ids", [1, 3]))
        self.visible = g("And", earlier, g("Cast", g("Unsqueeze", "attention_mask", [1, 2]), to=BOOL))
        if self.form != "op23":
            self.bias = g("Unsqueeze", g("Where", self.visible, 0.0, -1e9), [1])

        split = lambda x, heads: g("Transpose", g("Reshape", x, [0, 0, heads, HEAD]), perm=[0, 2, 1, 3])
        h = g("Gather", embedding, "input_ids")
        for layer in range(LAYERS):
            weight = lambda part, layer=layer: self.matrix(f"blk.{layer}.{part}.weight")
            x = self.rms(h, f"blk.{layer}.attn_norm.weight")
            q = self.rotate(split(g("MatMul", x, weight("attn_q")), HEADS))
            k = self.rotate(split(g("MatMul", x, weight("attn_k")), GROUPS))
            v = split(g("MatMul", x, weight("attn_v")), GROUPS)
            mixed = g("Transpose", self.attend(q, k, v, layer), perm=[0, 2, 1, 3])
            h = g("Add", h, g("MatMul", g("Reshape", mixed, [0, 0, WIDTH]), weight("attn_output")))
            x = self.rms(h, f"blk.{layer}.ffn_norm.weight")
            gate = g("MatMul", x, weight("ffn_gate"))
            inner = g("Mul", g("Mul", gate, g("Sigmoid", gate)), g("MatMul", x, weight("ffn_up")))
            h = g("Add", h, g("MatMul", inner, weight("ffn_down")))
        last = self.rms(h, "output_norm.weight")
        g("MatMul", last, g("Transpose", embedding, perm=[1, 0]), outputs="logits")

        cache = lambda kind, length: {
            f"{kind}.{layer}.{part}": (FLOAT, ["batch", GROUPS, length, HEAD])
            for layer in range(LAYERS)
            for part in ("key", "value")
        }
        inputs = {
            "input_ids": (INT64, ["batch", "sequence"]),
            "attention_mask": (INT64, ["batch", "total"]),
            "position_ids": (INT64, ["batch", "sequence"]),
            **cache("past_key_values", "past"),
        }
        outputs = {"logits": (FLOAT, ["batch", "sequence", VOCABULARY]), **cache("present", "total")}
        opset, ir = {"fp32": (18, 8), "w4": (21, 10), "op23": (23, 11)}[self.form]
        return g.model(f"smollm2_{self.form}", inputs, outputs, opset=opset, ir=ir)


class SmolLm2:
    name = "smollm2_135m"
    title = "text generation: Llama of 30 layers with its key-value cache"
    files = ("fp32.onnx", "w4.onnx", "op23.onnx")
    PROMPTS = {
        "The capital of France is": "Paris",
        "one two three four five six seven": "eight",
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is the opposite of hot? Answer with one word.<|im_end|>\n<|im_start|>assistant\n": "cold",
    }

    def make(self, folder):
        gguf = Gguf(store.get("smollm2.gguf"))
        kept = {"tokens": gguf.metadata["tokenizer.ggml.tokens"], "merges": gguf.metadata["tokenizer.ggml.merges"]}
        (folder / "tokenizer.json").write_text(json.dumps(kept))
        onnx.save(_Builder(gguf, "w4").build(), folder / "w4.onnx")
        (folder / "weights.bin").unlink(missing_ok=True)
        beside = dict(save_as_external_data=True, all_tensors_to_one_file=True, location="weights.bin", size_threshold=1024)
        onnx.save(_Builder(gguf, "fp32").build(), folder / "fp32.onnx", **beside)
        # The third form has the same weights: let it name the same file.
        where = {t.name: t for t in onnx.load(folder / "fp32.onnx", load_external_data=False).graph.initializer}
        model = _Builder(gguf, "op23").build()
        for tensor in model.graph.initializer:
            other = where.get(tensor.name)
            if other is not None and other.external_data and other.dims == tensor.dims:
                tensor.CopyFrom(other)
        onnx.save(model, folder / "op23.onnx")

    @staticmethod
    def generate(run, prompt: list[int], count: int, piece: int | None = None):
        """Up to `count` most likely tokens, the prompt fed whole or in pieces; and the logits after the prompt."""
        past = {
            f"past_key_values.{layer}.{part}": np.zeros((1, GROUPS, 0, HEAD), np.float32)
            for layer in range(LAYERS)
            for part in ("key", "value")
        }
        step = piece or len(prompt)
        todo = [prompt[i : i + step] for i in range(0, len(prompt), step)]
        done, said, first = 0, [], None
        while True:
            for tokens in todo:
                end = done + len(tokens)
                feeds = {
                    "input_ids": np.array([tokens]),
                    "attention_mask": np.ones((1, end), np.int64),
                    "position_ids": np.arange(done, end)[None],
                }
                logits, *present = run({**feeds, **past})
                past, done = dict(zip(past, present)), end
            if first is None:
                first = logits[0, -1]
            said.append(int(logits[0, -1].argmax()))
            if said[-1] in ENDS or len(said) == count:
                return said, first
            todo = [said[-1:]]

    def check(self, folder, open_model, files=None):
        kept = json.loads((folder / "tokenizer.json").read_text())
        text = BytePairs(kept["tokens"], kept["merges"])
        reference = {}
        for file in files or self.files:
            run = open_model(file)
            for prompt, wanted in self.PROMPTS.items():
                numbers = text.encode(prompt)
                said, logits = self.generate(run, numbers, 8)
                again, _ = self.generate(run, numbers, 8, piece=3)
                far = float(np.abs(logits - reference.setdefault(prompt, logits)).max())
                answer = text.decode(said)
                yield (
                    f"{file}: {answer!r}, the same in pieces of 3: {said == again}, logits of the forms apart by {far:.0e}",
                    wanted in answer and said == again and far < 2e-2,
                )
