"""A model that tells what kind of file some bytes are (Magika)."""

from __future__ import annotations

import json
import shutil

import numpy as np

from . import store

PYTHON = b"""import os
import sys


def main(argv):
    for name in sorted(os.listdir(argv[1])):
        path = os.path.join(argv[1], name)
        if not os.path.isdir(path):
            print(name, os.path.getsize(path))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
"""
CPP = b"""#include <cstdio>
#include <vector>

namespace demo {
template <typename T> T sum(const std::vector<T> &values) {
  T total{};
  for (const auto &value : values)
    total += value;
  return total;
}
} // namespace demo

int main() {
  std::vector<double> values{1.5, 2.5, 3.0};
  std::printf("%f\\n", demo::sum(values));
  return 0;
}
"""
HTML = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Report</title>
</head>
<body>
<h1>Report</h1>
<p>All tests <b>passed</b>.</p>
<ul><li>one</li><li>two</li></ul>
</body>
</html>
"""


def features(data: bytes) -> np.ndarray:
    """The first and last 1,024 bytes less white space, filled up with 256."""
    begin, end = data[:4096].lstrip()[:1024], data[-4096:].rstrip()[-1024:]
    return np.array([*begin, *[256] * (2048 - len(begin) - len(end)), *end], np.int32)


class Magika:
    name = "magika"
    title = "what kind of file: embedding by one-hot, convolution, batch dynamic"
    files = ("model.onnx",)

    def make(self, folder):
        shutil.copyfile(store.get("magika.onnx"), folder / "model.onnx")
        labels = json.loads(store.get("magika.json").read_text())["target_labels_space"]
        (folder / "labels.json").write_text(json.dumps(labels))
        known = {"png": "astronaut.png", "wav": "Front_Center.wav", "onnx": "magika.onnx"}
        data = {"python": PYTHON, "cpp": CPP, "html": HTML} | {k: store.get(name).read_bytes() for k, name in known.items()}
        np.savez(folder / "case.npz", bytes=np.stack([features(d) for d in data.values()]), kinds=list(data))

    def check(self, folder, open_model):
        run = open_model("model.onnx")
        labels, case = json.loads((folder / "labels.json").read_text()), np.load(folder / "case.npz")
        together = run({"bytes": case["bytes"]})[0]
        found = [labels[i] for i in together.argmax(1)]
        yield f"six files: {' '.join(found)}", found == list(case["kinds"]) and together.max(1).min() > 0.5
        alone = np.concatenate([run({"bytes": row[None]})[0] for row in case["bytes"]])
        far = np.abs(alone - together).max()
        yield f"one by one as together: {far:.0e}", far < 1e-4
