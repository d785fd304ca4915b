"""What a branch costs by itself."""

from __future__ import annotations

import numpy as np

from .builder import BOOL, FLOAT, Builder, WeightsFile
from .family import Family


def branches(folder, sizes):
    """A chain of Ifs with one addition in each branch, and the chain of the additions alone."""
    steps, weights = sizes["steps"], WeightsFile(folder)
    made = Family(folder, ["dense", "if"], bound="chain", steps=steps)
    numbers = {"x": (FLOAT, [1]), "terms": (FLOAT, [steps])}
    for form in made.forms:
        g, x = Builder(weights), "x"
        terms = g("Split", "terms", outputs=steps, axis=0, num_outputs=steps)
        flags = g("Split", "flags", outputs=steps, axis=0, num_outputs=steps) if form == "if" else []
        for i, term in enumerate(terms):
            if form == "dense":
                x = g("Add", x, term)
                continue
            parts = []
            for operator in ("Add", "Sub"):
                b = g.body(f"{operator.lower()}{i}_")
                parts.append(b.subgraph(f"{operator.lower()}{i}", [], [(b(operator, x, term), FLOAT, [1])]))
            x = g("If", g("Squeeze", flags[i], [0]), then_branch=parts[0], else_branch=parts[1])
        g("Identity", x, outputs="y")
        flags = {"flags": (BOOL, [steps])} if form == "if" else {}
        g.save(made.file(form), {**numbers, **flags}, {"y": (FLOAT, [1])})
    weights.close()
    rng = np.random.default_rng(0)
    feed = {"x": np.ones(1, np.float32), "terms": rng.random(steps, np.float32), "flags": rng.random(steps) < 0.5}
    made.feed("mixed", steps, 1.0, feed)
    made.dense_flops = steps
    return made
