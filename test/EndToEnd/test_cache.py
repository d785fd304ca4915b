"""The cache of artefacts: what was compiled before is found, and found only where all that it depends on is the same."""

from __future__ import annotations

import concurrent.futures
import json
import os
import stat
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def model(factor=2.0, size=64):
    weights = np.full((size, size), factor, np.float32) + np.arange(size, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "cache",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", size])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), weights


class Compiler:
    """`ac-compile` with a cache of its own."""

    def __init__(self, tools, folder: Path):
        self.tools, self.folder, self.cache = tools, folder, folder / "cache"

    def environment(self, **more):
        return {**os.environ, "ACCORDION_CACHE_DIR": str(self.cache), **more}

    def __call__(self, source="m.onnx", target="m.so", *flags, **environment) -> bool:
        """Whether the result came from the cache."""
        report = self.folder / "report.json"
        flags = [*flags, f"--report={report}"]
        self.tools.succeed(
            "ac-compile", self.folder / source, "-o", self.folder / target, *flags, env=self.environment(**environment)
        )
        return json.loads(report.read_text())["cached"]

    def entries(self):
        """The artefacts, without the lists of external data."""
        return [file for file in self.cache.glob("*") if b'{"parts":' in file.read_bytes()[:100]]


@pytest.fixture
def compiler(tools, tmp_path):
    onnx.save(model()[0], tmp_path / "m.onnx")
    return Compiler(tools, tmp_path)


def check(accordion, path, weights):
    x = np.eye(3, len(weights), dtype=np.float32)
    np.testing.assert_array_equal(accordion.load(str(path), threads=1).run(None, {"x": x})[0], weights[:3])


def test_the_same_is_found(accordion, compiler, tmp_path):
    assert not compiler()
    first, header = (tmp_path / "m.so").read_bytes(), (tmp_path / "m.h").read_bytes()
    for name in ("m.so", "m.h"):
        (tmp_path / name).unlink()
    assert compiler()
    assert (tmp_path / "m.so").read_bytes() == first and (tmp_path / "m.h").read_bytes() == header
    check(accordion, tmp_path / "m.so", model()[1])


def test_reports_say_what_they_said(compiler, tmp_path):
    compiler()
    first = json.loads((tmp_path / "report.json").read_text())
    compiler()
    second = json.loads((tmp_path / "report.json").read_text())
    assert [step["step"] for step in second["steps"]] == ["cache"]
    for facts in (first, second):
        del facts["steps"], facts["cached"]
    assert first == second


def test_executables_can_be_executed(compiler, tmp_path):
    np.savez(tmp_path / "in.npz", x=np.eye(3, 64, dtype=np.float32))
    assert not compiler("m.onnx", "one")
    assert compiler("m.onnx", "two")  # an executable has no name inside
    compiler.tools.succeed(tmp_path / "two", "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["y"], model()[1][:3])


@pytest.mark.parametrize("flags", [["--dim=n=4"], ["--march=x86-64-v3"], ["-O1"], ["--no-raise"], ["--no-fold-constants"]])
def test_another_option_is_another_artefact(compiler, flags):
    assert not compiler()
    assert not compiler("m.onnx", "m.so", *flags)
    assert compiler("m.onnx", "m.so", *flags) and compiler()


def test_another_model_is_another_artefact(accordion, compiler, tmp_path):
    compiler()
    changed, weights = model(3.0)
    onnx.save(changed, tmp_path / "m.onnx")
    assert not compiler()
    check(accordion, tmp_path / "m.so", weights)


def test_external_data_is_part_of_the_model(accordion, compiler, tmp_path):
    for name, factor in (("a", 2.0), ("b", 5.0)):
        (tmp_path / name).mkdir()
        onnx.save(model(factor)[0], tmp_path / name / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "a" / "m.onnx").read_bytes() == (tmp_path / "b" / "m.onnx").read_bytes()
    assert not compiler("a/m.onnx")
    assert not compiler("b/m.onnx")
    check(accordion, tmp_path / "m.so", model(5.0)[1])
    assert compiler("a/m.onnx")
    check(accordion, tmp_path / "m.so", model(2.0)[1])
    (tmp_path / "a").rename(tmp_path / "c")  # where it lies does not matter
    assert compiler("c/m.onnx")


def test_missing_external_data_is_still_an_error(compiler, tmp_path):
    onnx.save(model()[0], tmp_path / "e.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    compiler("e.onnx")
    (tmp_path / "w.bin").unlink()
    said = compiler.tools.refuse("ac-compile", tmp_path / "e.onnx", "-o", tmp_path / "m.so", env=compiler.environment())
    assert "`w.bin` is not beside the model" in said


def test_weights_of_their_own_come_back(accordion, compiler, tmp_path):
    flags = [f"--weights={tmp_path / 'w.bin'}"]
    assert not compiler("m.onnx", "m.so", *flags)
    (tmp_path / "w.bin").unlink()
    assert compiler("m.onnx", "m.so", *flags)
    check(accordion, tmp_path / "m.so", model()[1])


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_damaged_entries_are_made_again(accordion, compiler, tmp_path, damage):
    compiler()
    (entry,) = compiler.entries()
    content = entry.read_bytes()
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content = content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]
    else:
        content = b"" if damage == "empty" else b"nothing\n"
    entry.write_bytes(content)
    assert not compiler()
    check(accordion, tmp_path / "m.so", model()[1])
    assert entry.read_bytes() != content
    assert compiler()


def test_no_cache(compiler):
    assert not compiler("m.onnx", "m.so", "--no-cache")
    assert not compiler.cache.exists()
    compiler()
    assert not compiler("m.onnx", "m.so", "--no-cache")
    assert not compiler("m.onnx", "m.so", ACCORDION_CACHE_DIR="")


@pytest.mark.parametrize("place", ["read-only", "a-file", "absent-parent"])
def test_a_folder_that_cannot_be_written(compiler, place):
    if place == "read-only":
        compiler.cache.mkdir()
        compiler.cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
    elif place == "a-file":
        compiler.cache.write_text("")
    else:
        compiler.cache = Path("/proc/no/such/place")
    assert not compiler()


def test_the_oldest_make_room(compiler, tmp_path):
    policy = {"ACCORDION_CACHE_POLICY": "prune_interval=0s:cache_size_bytes=200k"}
    for factor in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
        onnx.save(model(factor, 96)[0], tmp_path / "m.onnx")
        assert not compiler(**policy)
        # Files of one moment have no order.
        for age, file in enumerate(sorted(compiler.cache.iterdir(), key=lambda file: file.stat().st_atime)):
            os.utime(file, (1e9 + age, 1e9 + age))
        assert sum(file.stat().st_size for file in compiler.cache.iterdir()) <= 200_000
    assert compiler(**policy)
    onnx.save(model(1.0, 96)[0], tmp_path / "m.onnx")
    assert not compiler(**policy)


def test_what_does_not_fit_drives_nothing_out(compiler, tmp_path):
    compiler()
    before = compiler.entries()
    onnx.save(model(2.0, 512)[0], tmp_path / "m.onnx")
    compiler(ACCORDION_CACHE_POLICY="prune_interval=0s:cache_size_bytes=1m")
    assert compiler.entries() == before


def test_many_at_a_time(compiler, accordion, tmp_path):
    def one(number):
        target = tmp_path / f"{number}" / "m.so"
        target.parent.mkdir()
        compiler.tools.succeed("ac-compile", tmp_path / "m.onnx", "-o", target, env=compiler.environment())
        return target

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for target in pool.map(one, range(6)):
            check(accordion, target, model()[1])
    assert len(compiler.entries()) == 1
    assert not list(compiler.cache.glob("*.tmp*"))


def test_from_python(accordion, compiler, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCORDION_CACHE_DIR", str(compiler.cache))
    report = tmp_path / "report.json"
    found = []
    for cache in (True, True, False):
        accordion.compile(model()[0], report=report, cache=cache)
        found.append(json.loads(report.read_text())["cached"])
    assert found == [False, True, False]
