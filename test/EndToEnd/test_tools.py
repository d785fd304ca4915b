"""The command-line tools: what they write, and that every way of running a model gives the same answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from real_models.graph import FLOAT, INT64, Graph

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = ["import", "optimize", "lower", "kernels", "bufferize", "codegen"]
CROSS = Path("/usr/aarch64-linux-gnu")


def perceptron() -> onnx.ModelProto:
    """Two layers and the most likely class; enough weights to matter."""
    rng, g = np.random.default_rng(3), Graph()
    hidden = g("Relu", g("Add", g("MatMul", "x", rng.standard_normal((32, 64)).astype(np.float32)), 0.25))
    g("Softmax", g("MatMul", hidden, rng.standard_normal((64, 10)).astype(np.float32)), axis=1, outputs="p")
    g("ArgMax", "p", axis=1, keepdims=0, outputs="best")
    inputs, outputs = {"x": (FLOAT, ["batch", 32])}, {"p": (FLOAT, ["batch", 10]), "best": (INT64, ["batch"])}
    return g.model("perceptron", inputs, outputs, opset=17, ir=8)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the model, inputs in every form, and the right answers."""
    import real_models

    folder = tmp_path_factory.mktemp("tools")
    onnx.save(perceptron(), folder / "model.onnx")
    x = np.random.default_rng(4).standard_normal((7, 32)).astype(np.float32)
    np.savez(folder / "in.npz", x=x)
    for suffix in ("npy", "pb"):
        (folder / suffix).mkdir()
    np.save(folder / "npy" / "input_0.npy", x)
    (folder / "pb" / "input_0.pb").write_bytes(numpy_helper.from_array(x, "x").SerializeToString())
    folder.joinpath("want").mkdir()
    p, best = real_models.onnx_runtime(folder / "model.onnx")({"x": x})
    np.savez(folder / "want.npz", p=p, best=best)
    return folder


@pytest.fixture(scope="module")
def shared_object(tools, place):
    tools.succeed("ac-compile", place / "model.onnx", "-o", place / "model.so")
    return place / "model.so"


@pytest.fixture(scope="module")
def program(tools, place):
    tools.succeed("ac-compile", place / "model.onnx", "-o", place / "model")
    return place / "model"


def check_answers(place, answers: dict):
    want = np.load(place / "want.npz")
    assert np.allclose(answers["p"], want["p"], rtol=1e-4, atol=1e-6)
    assert np.array_equal(answers["best"], want["best"])


class TestRunning:
    """`ac-run` and executables have one command line."""

    @pytest.fixture(params=["program", "shared object", "model"])
    def run(self, request, tools, place, program, shared_object):
        first = {"program": (program,), "shared object": ("ac-run", shared_object), "model": ("ac-run", place / "model.onnx")}
        return lambda *arguments: tools.succeed(*first[request.param], *arguments)

    def test_archive(self, run, place, tmp_path):
        run("--inputs", place / "in.npz", "--outputs", tmp_path / "out.npz")
        with np.load(tmp_path / "out.npz") as out:
            assert set(out.files) == {"p", "best"}
            check_answers(place, out)

    def test_folder_of_arrays(self, run, place, tmp_path):
        run("--inputs", place / "npy", "--outputs", tmp_path / "out")
        check_answers(place, {"p": np.load(tmp_path / "out" / "output_0.npy"), "best": np.load(tmp_path / "out" / "output_1.npy")})

    def test_folder_of_protos(self, run, place, tmp_path):
        run("--inputs", place / "pb", "--outputs", tmp_path / "out")
        read = lambda i: numpy_helper.to_array(onnx.TensorProto.FromString((tmp_path / "out" / f"output_{i}.pb").read_bytes()))
        check_answers(place, {"p": read(0), "best": read(1)})

    def test_times(self, run, place):
        said = run("--inputs", place / "in.npz", "--repeat", 5, "--print-times")
        times = re.search(r"^times_s((?: \d+\.\d+(?:e-\d+)?){5})$", said, re.M)
        assert times and all(0 < float(t) < 10 for t in times[1].split())

    def test_profile(self, run, place, tmp_path):
        run("--inputs", place / "in.npz", "--outputs", tmp_path / "out.npz", "--profile", tmp_path / "trace.json")
        trace = json.loads((tmp_path / "trace.json").read_text())
        events = trace["traceEvents"] if isinstance(trace, dict) else trace
        assert any("MatMul" in str(event.get("name")) for event in events)

    def test_info(self, run):
        said = run("--info")
        assert re.search(r"x\s+f32\s+\[batch, 32\]", said) and re.search(r"p\s+f32\s+\[batch, 10\]", said)
        assert re.search(r"best\s+i64\s+\[batch\]", said)

    def test_help_has_examples(self, run):
        said = run("--help")
        assert "--inputs" in said and "examples:" in said.lower()

    def test_same_bits_for_any_thread_count(self, run, place, tmp_path):
        for threads in (1, 2, 5):
            run("--inputs", place / "in.npz", "--outputs", tmp_path / str(threads), "--threads", threads)
        first, *others = [(tmp_path / t / "output_0.npy") for t in "125"]
        if not first.exists():
            pytest.fail(f"no output_0.npy among {[p.name for p in (tmp_path / '1').iterdir()]}")
        assert all(first.read_bytes() == other.read_bytes() for other in others)


class TestOutputs:
    def test_executable_stands_alone(self, program, place, tmp_path):
        """Neither LLVM nor anything else of ours is needed, wherever it lies."""
        needed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        assert not re.search(r"LLVM|MLIR|onnx|protobuf|stdc\+\+", needed), needed
        moved = tmp_path / "moved"
        shutil.copy(program, moved)
        subprocess.run([moved, "--inputs", place / "in.npz", "--outputs", tmp_path / "o.npz"], env={}, cwd="/", check=True)
        check_answers(place, np.load(tmp_path / "o.npz"))

    def test_shared_object_has_a_header(self, shared_object, tmp_path):
        header = shared_object.with_suffix(".h")
        assert "batch" in header.read_text()
        (tmp_path / "use.c").write_text(f'#include "{header}"\nint x;\n')
        subprocess.run(["clang-22", "-fsyntax-only", "-Wall", "-Werror", tmp_path / "use.c"], check=True)

    @pytest.mark.parametrize(("suffix", "begins"), [("o", b"\x7fELF"), ("s", b"\t"), ("ll", b"; ModuleID"), ("mlir", b"")])
    def test_by_suffix(self, tools, place, tmp_path, suffix, begins):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / f"model.{suffix}")
        data = (tmp_path / f"model.{suffix}").read_bytes()
        assert data.startswith(begins) and len(data) > 500

    def test_by_name(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "--emit=so", "-o", tmp_path / "model")
        check_run(tools, place, tmp_path / "model", tmp_path)

    def test_weights_beside(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--weights", tmp_path / "m.bin")
        assert (tmp_path / "m.bin").stat().st_size >= 4 * (32 * 64 + 64 * 10)
        check_run(tools, place, tmp_path / "m.so", tmp_path)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "m.bin").rename(tmp_path / "elsewhere" / "w.bin")
        assert "m.bin" in tools.refuse("ac-run", tmp_path / "m.so", "--inputs", place / "in.npz")
        moved = ["--weights", tmp_path / "elsewhere" / "w.bin"]
        check_run(tools, place, tmp_path / "m.so", tmp_path, *moved)
        data = bytearray((tmp_path / "elsewhere" / "w.bin").read_bytes())
        data[100] ^= 1
        (tmp_path / "elsewhere" / "w.bin").write_bytes(data)
        tools.refuse("ac-run", tmp_path / "m.so", "--inputs", place / "in.npz", *moved)

    def test_fixed_dimension(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--dim", "batch=7")
        assert "[7, 32]" in tools.succeed("ac-run", tmp_path / "m.so", "--info")
        check_run(tools, place, tmp_path / "m.so", tmp_path)

    def test_unknown_dimension(self, tools, place, tmp_path):
        text = tools.refuse("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--dim", "bath=7")
        assert "bath" in text and "batch" in text

    def test_saved_stages(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--save-temps", tmp_path / "ir")
        names = sorted(path.name for path in (tmp_path / "ir").iterdir())
        assert all(any(stage in name for name in names) for stage in STAGES), names

    @pytest.mark.parametrize("stage", STAGES)
    def test_stop_after(self, tools, place, tmp_path, stage):
        tools.succeed("ac-compile", place / "model.onnx", "--stop-after", stage, "-o", tmp_path / "m.mlir")
        tools.succeed("ac-opt", tmp_path / "m.mlir", "-o", tmp_path / "again.mlir")

    def test_goes_on_from_a_stage(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "--stop-after", "import", "-o", tmp_path / "m.mlir")
        tools.succeed("ac-compile", tmp_path / "m.mlir", "-o", tmp_path / "m.so")
        check_run(tools, place, tmp_path / "m.so", tmp_path)

    def test_report(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--report", tmp_path / "r.json")
        assert "import" in json.dumps(json.loads((tmp_path / "r.json").read_text()))

    def test_time_passes(self, tools, place, tmp_path):
        done = tools.run("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--time-passes")
        assert done.returncode == 0 and "Execution time report" in done.stderr + done.stdout

    def test_onnx_text(self, tools, tmp_path):
        (tmp_path / "m.onnxtxt").write_text(
            '<ir_version: 8, opset_import: ["" : 17]>\nagraph (float[n, 2] x) => (float[n, 2] y) { y = Neg (x) }\n'
        )
        tools.succeed("ac-compile", tmp_path / "m.onnxtxt", "-o", tmp_path / "m.so")
        np.savez(tmp_path / "in.npz", x=np.array([[1, -2]], np.float32))
        tools.succeed("ac-run", tmp_path / "m.so", "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
        assert np.load(tmp_path / "out.npz")["y"].tolist() == [[-1, 2]]


def check_run(tools, place, artefact, folder, *more, runner=("ac-run",)):
    (folder / "answers.npz").unlink(missing_ok=True)
    tools.succeed(*runner, artefact, "--inputs", place / "in.npz", "--outputs", folder / "answers.npz", *more)
    check_answers(place, np.load(folder / "answers.npz"))


class TestTargets:
    def test_x86_64_v3(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--march", "x86-64-v3")
        check_run(tools, place, tmp_path / "m.so", tmp_path)
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.s", "--march", "x86-64-v3")
        assert "zmm" not in (tmp_path / "m.s").read_text()

    def test_x86_64_v4(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.s", "--march", "x86-64-v4")
        assert "zmm" in (tmp_path / "m.s").read_text()
        if "avx512vl" not in Path("/proc/cpuinfo").read_text():
            pytest.skip("this machine does not run AVX-512")
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--march", "x86-64-v4")
        check_run(tools, place, tmp_path / "m.so", tmp_path)

    @pytest.mark.skipif(not shutil.which("qemu-aarch64") or not CROSS.exists(), reason="no emulator")
    def test_aarch64_executable(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m", "--march", "aarch64")
        emulator = (Path(shutil.which("qemu-aarch64")), "-L", CROSS)
        check_run(tools, place, tmp_path / "m", tmp_path, "--threads", 2, runner=emulator)

    def test_refuses_what_this_machine_cannot_run(self, tools, place, tmp_path):
        tools.succeed("ac-compile", place / "model.onnx", "-o", tmp_path / "m.so", "--march", "aarch64")
        assert "aarch64" in tools.refuse("ac-run", tmp_path / "m.so", "--inputs", place / "in.npz")


class TestCApi:
    def test_example(self, tools, shared_object):
        example = tools.bin / "c-api-example"
        assert re.search(r"output p: f32 \[3, 10\]", tools.succeed(example, shared_object, 3))


class TestPackage:
    @pytest.mark.skipif(sys.version_info < (3, 11), reason="needs Python 3.11")
    def test_versions_agree(self, tools):
        declared = re.search(r"VERSION (\d+\.\d+\.\d+)", (REPOSITORY / "CMakeLists.txt").read_text())[1]
        assert f'__version__ = "{declared}"' in (REPOSITORY / "python/accordion/__init__.py").read_text()
        assert declared in tools.succeed("ac-run", "--version")
        project = REPOSITORY / "pyproject.toml"
        assert f'version = "{declared}"' in project.read_text()
