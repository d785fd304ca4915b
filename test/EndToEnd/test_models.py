"""The ten real models: the numbers of ONNX Runtime, and answers that a person finds right."""

from __future__ import annotations

import pytest
import real_models
from conftest import furthest

# Weights of four and eight bits: rounding inside may differ, the model's own check decides.
QUANTISED = {("smollm2_135m", "w4.onnx"): 2e-2}
FILES = [(model.name, file) for model in real_models.MODELS.values() for file in model.files]


@pytest.fixture(scope="session")
def open_model(accordion):
    sessions = {}

    def open_one(path):
        if path not in sessions:
            sessions.clear()  # one at a time: the large ones need their memory
            sessions[path] = accordion.compile(path, threads=2)
        session = sessions[path]
        takes = {value.name for value in session.get_inputs()}
        return lambda feeds: session.run(None, {name: array for name, array in feeds.items() if name in takes})

    return open_one


@pytest.fixture(scope="session")
def folder():
    def prepared(name):
        real_models.prepare([name])
        return real_models.FOLDER / name

    return prepared


@pytest.mark.parametrize(("name", "file"), FILES, ids=[f"{n}-{f.removesuffix('.onnx')}" for n, f in FILES])
def test_golden(name, file, open_model, folder):
    run = open_model(folder(name) / file)
    compared = 0
    for feeds, want in real_models.goldens(folder(name), file):
        assert furthest(run(feeds), want) < QUANTISED.get((name, file), 1e-3)
        compared += 1
    assert compared


# One form at a time for the model with several, so that each is compiled once.
CHECKS = [(n, [f] if n == "smollm2_135m" else None) for n, f in FILES if n == "smollm2_135m" or f == "model.onnx"]


@pytest.mark.parametrize(("name", "files"), CHECKS, ids=[n + (f"-{f[0][:-5]}" if f else "") for n, f in CHECKS])
def test_answer(name, files, open_model, folder):
    model, place = real_models.MODELS[name], folder(name)
    options = {"files": files} if files else {}
    for text, good in model.check(place, lambda file: open_model(place / file), **options):
        print(text)
        assert good, text
