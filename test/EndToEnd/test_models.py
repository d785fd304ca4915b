"""The ten real models: the numbers of ONNX Runtime, and answers that a person finds right."""

from __future__ import annotations

import pytest
import real_models
from conftest import furthest

# Weights of four and eight bits: rounding inside may differ, the model's own check decides.
QUANTISED = {("smollm2_135m", "w4.onnx"): 2e-2}
FILES = [(model.name, file) for model in real_models.MODELS.values() for file in model.files]


class Compiled:
    """A model's sessions, each compiled when it is first wanted."""

    def __init__(self, accordion, name, file):
        real_models.prepare([name])
        self.accordion, self.model, self.file = accordion, real_models.MODELS[name], file
        self.folder, self.sessions = real_models.FOLDER / name, {}

    def open(self, file):
        if file not in self.sessions:
            self.sessions[file] = self.accordion.compile(self.folder / file, threads=2)
        session = self.sessions[file]
        takes = {value.name for value in session.get_inputs()}
        return lambda feeds: session.run(None, {name: array for name, array in feeds.items() if name in takes})


@pytest.fixture(scope="module", params=FILES, ids=[f"{name}-{file.removesuffix('.onnx')}" for name, file in FILES])
def compiled(request, accordion):
    return Compiled(accordion, *request.param)


def test_golden(compiled):
    limit = QUANTISED.get((compiled.model.name, compiled.file), 1e-3)
    distances = [
        furthest(compiled.open(compiled.file)(feeds), want)
        for feeds, want in real_models.goldens(compiled.folder, compiled.file)
    ]
    assert distances and max(distances) < limit


def test_answer(compiled):
    several = compiled.model.name == "smollm2_135m"  # its forms are checked one by one
    if not several and compiled.file != compiled.model.files[0]:
        pytest.skip("the model's check covers all its files")
    options = {"files": [compiled.file]} if several else {}
    for text, good in compiled.model.check(compiled.folder, compiled.open, **options):
        print(text)
        assert good, text
