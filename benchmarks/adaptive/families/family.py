"""One model in the forms that exporters write it in, and the feeds that set how much it computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class Load:
    """A part of the work that the feeds, or for experts the k in the model, ask for."""

    flops: int  # of what is active, gates and routers included
    part: float  # of the adaptive work that is active
    feeds: list[Path]  # runs take them in turn
    model: str = ""  # end of the model's name, where each load has its own
    weight_bytes: int = 0  # read by a run


@dataclass
class Family:
    folder: Path
    forms: list[str]
    # What a time is compared with: the dense form's, the peak of multiply-adds, the read bandwidth, the chain without Ifs.
    bound: str = "dense"
    loads: dict[str, Load] = field(default_factory=dict)
    dense_flops: int = 0
    steps: int = 0  # of a chain

    def file(self, form, suffix=""):
        return self.folder / f"{form}{suffix and '@' + suffix}.onnx"

    def model(self, form, load):
        return self.file(form, "" if form == "dense" else self.loads[load].model)

    def feed(self, load, flops, part, *feeds, model="", weight_bytes=0):
        """Adds a load; each of `feeds` maps inputs to arrays."""
        paths = []
        for i, feed in enumerate(feeds):
            paths.append(self.folder / f"{load}.{i}.npz")
            np.savez(paths[-1], **feed)
        self.loads[load] = Load(int(flops), round(float(part), 4), paths, model, weight_bytes)
