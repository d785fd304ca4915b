"""Models that look: where text is, what it says (PP-OCR), where faces are (CenterFace)."""

from __future__ import annotations

import difflib
import json
import shutil

import numpy as np
import onnx

from . import media, store
from .graph import FLOAT, Graph


def picture(name):
    from PIL import Image

    return Image.open(store.get(name))


def text_planes(image, width, height):
    return (media.planes(image, width, height, bgr=True) / 127.5 - 1)[None]


class TextDetection:
    name = "ppocr_det"
    title = "where text is: convolutions, Resize, ConvTranspose, height and width dynamic"
    files = ("model.onnx",)

    def make(self, folder):
        shutil.copyfile(store.get("ppocr_det.onnx"), folder / "model.onnx")
        page = picture("page.png").convert("L")
        np.savez(folder / "case.npz", small=text_planes(page, 384, 192), large=text_planes(page, 768, 384))

    def check(self, folder, open_model):
        run = open_model("model.onnx")
        for name, x in np.load(folder / "case.npz").items():
            text = run({"x": x})[0][0, 0] > 0.3
            # Rows in which the left quarter is mostly text; a line of the page is a run of them.
            left = text[:, text.shape[1] // 16 : text.shape[1] // 4].mean(1) > 0.4
            lines = int(left[0]) + int((left[1:] & ~left[:-1]).sum())
            yield (
                f"{name} page: {text.mean():.0%} of it is text, {lines} lines",
                text.shape == x.shape[2:] and 0.05 < text.mean() < 0.7 and 5 <= lines <= 14,
            )


class TextRecognition:
    name = "ppocr_rec"
    title = "what a line says: convolutions and attention, width dynamic"
    files = ("model.onnx",)
    LINES = {
        "Region-based segmentation": (3, 9, 297, 36),
        "Let us first determine markers of the coins and the": (3, 47, 380, 66),
        "histogram of grey values:": (3, 116, 174, 138),
    }

    def make(self, folder):
        shutil.copyfile(store.get("ppocr_rec.onnx"), folder / "model.onnx")
        metadata = {p.key: p.value for p in onnx.load(folder / "model.onnx").metadata_props}
        # Class 0 of the network is "nothing here", the last one a blank.
        (folder / "characters.json").write_text(json.dumps(["", *metadata["character"].split("\n"), " "]))
        page, cases = picture("page.png").convert("L"), {}
        for text, box in self.LINES.items():
            line = page.crop(box)
            cases[text] = text_planes(line, round(line.width * 6 / line.height) * 8, 48)
        np.savez(folder / "case.npz", **{str(i): x for i, x in enumerate(cases.values())})

    def check(self, folder, open_model):
        run = open_model("model.onnx")
        characters = json.loads((folder / "characters.json").read_text())
        case = np.load(folder / "case.npz")
        for i, text in enumerate(self.LINES):
            best = run({"x": case[str(i)]})[0][0].argmax(1)
            read = "".join(characters[c] for c, before in zip(best, [0, *best]) if c and c != before)
            alike = difflib.SequenceMatcher(None, read.lower(), text.lower()).ratio()
            yield f"read {read!r}", alike > 0.85


class CenterFace:
    name = "centerface"
    title = "where faces are; nms.onnx decodes too: NonZero, GatherND, NonMaxSuppression"
    files = ("model.onnx", "nms.onnx")

    def make(self, folder):
        model = onnx.load(store.get("centerface.onnx"))
        weights = {t.name for t in model.graph.initializer}

        def reshape(value, dims):
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for dim in dims:
                shape.dim.add(**{"dim_value" if isinstance(dim, int) else "dim_param": dim})

        for value in model.graph.input:
            if value.name not in weights:
                reshape(value, ["B", 3, "H", "W"])
        for value, channels in zip(model.graph.output, (1, 2, 2, 10)):
            reshape(value, ["B", channels, "h", "w"])
        onnx.save(model, folder / "model.onnx")
        onnx.save(self.with_decoding(model), folder / "nms.onnx")
        face = media.planes(picture("astronaut.png"), 512, 512)[None]
        grey = np.full((1, 3, 256, 320), 127, np.float32)
        np.savez(folder / "case.npz", face=face, mirrored=np.ascontiguousarray(face[..., ::-1]), grey=grey)

    @staticmethod
    def with_decoding(model):
        net = onnx.version_converter.convert_version(model, 13).graph
        g = Graph("decode_")
        heat, size, offset, _ = (value.name for value in net.output)
        peaks = g("Greater", g("Squeeze", heat, [0, 1]), 0.5)
        at = g("Transpose", g("NonZero", peaks), perm=[1, 0])  # [n, 2] rows of y, x: as many as there are peaks
        pick = lambda plane: g("GatherND", g("Transpose", g("Squeeze", plane, [0]), perm=[1, 2, 0]), at)
        half = g("Mul", g("Exp", pick(size)), 2.0)  # in pixels: the net works on every fourth
        centre = g("Mul", g("Add", g("Add", g("Cast", at, to=FLOAT), pick(offset)), 0.5), 4.0)
        boxes = g("Concat", g("Sub", centre, half), g("Add", centre, half), axis=1)
        scores = g("Transpose", pick(heat), perm=[1, 0])
        batched = g("Unsqueeze", boxes, [0]), g("Unsqueeze", scores, [0])
        kept = g("NonMaxSuppression", *batched, [100], np.array([0.3], np.float32), np.array([0.5], np.float32))
        chosen = g("Squeeze", g("Slice", kept, [2], [3], [1]), [1])
        g("Gather", boxes, chosen, outputs="boxes")
        g("Gather", g("Squeeze", scores, [0]), chosen, outputs="scores")
        g.nodes = [*net.node, *g.nodes]
        g.initializers = [*net.initializer, *g.initializers]
        for node in g.nodes:
            node.input[:] = ["x" if name == "input.1" else name for name in node.input]
        outputs = {"boxes": (FLOAT, ["n", 4]), "scores": (FLOAT, ["n"])}
        return g.model("centerface_nms", {"x": (FLOAT, [1, 3, "H", "W"])}, outputs, opset=13, ir=7)

    def check(self, folder, open_model):
        run = open_model("nms.onnx")
        case = np.load(folder / "case.npz")
        boxes, scores = run({"x": case["face"]})
        top, left, bottom, right = boxes[0] if len(boxes) else np.zeros(4)
        where = 150 < left < 215 and 230 < right < 290 and 50 < top < 110 and 150 < bottom < 220
        yield f"one face at x {left:.0f}..{right:.0f}, y {top:.0f}..{bottom:.0f}", len(scores) == 1 and where
        mirrored = run({"x": case["mirrored"]})[0]
        yield "the mirrored picture has the mirrored box", len(mirrored) == 1 and abs(512 - mirrored[0][3] - left) < 12
        boxes, scores = run({"x": case["grey"]})
        yield f"a grey picture: shapes {boxes.shape} and {scores.shape}", boxes.shape == (0, 4) and scores.shape == (0,)
        heat = open_model("model.onnx")({"input.1": case["face"]})[0]
        yield f"highest peak {heat.max():.2f}", 0.5 < heat.max() <= 1
