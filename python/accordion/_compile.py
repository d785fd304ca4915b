"""Compiling from Python: options as keywords, models as files or `onnx.ModelProto`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from accordion import _compiler
from accordion._session import Session, load

# A serialised message cannot be larger; such a model goes through a file with its weights beside it.
_LARGEST_MESSAGE = (1 << 31) - 1


def _launcher() -> str:
    """What executables are built from: installed in the package, or beside the tools of a build folder."""
    here = Path(__file__).parent
    for place in (here / "bin" / "ac-launcher", Path(_compiler.__file__).parents[2] / "bin" / "ac-launcher"):
        if place.exists():
            return str(place)
    return ""


def compile(  # noqa: A001
    model,
    threads: int | None = None,
    *,
    output=None,
    march: str = "native",
    dims: dict[str, int] | None = None,
    weights_file=None,
    save_temps=None,
    report=None,
    optimization: int = 3,
    fold_constants: bool = True,
    kernels: str = "mlir",
    tune: bool = False,
    cache: bool = True,
    precision: str = "f32",
) -> Session:
    """Compiles a model and opens the result.

    model           path of an `.onnx`, ONNX text or `.mlir` file, serialised bytes, or an `onnx.ModelProto`
    threads         threads of each run, one per core unless given
    output          where to keep the artefact (by suffix an executable, `.so`, ...); not kept unless given
    march           native, x86-64-v3, x86-64-v4, aarch64 or LLVM's name of an x86-64 processor, as `sapphirerapids`
    dims            sizes for symbolic dimensions, by name
    weights_file    put the weights there instead of into the artefact
    save_temps      folder for the program after each stage
    report          JSON file for times and sizes
    optimization    0 to 3
    fold_constants  whether what is constant is computed now
    kernels         who makes kernels: mlir, halide (where this build has it), or auto, what was found to be faster
    tune            measure the kernels of both on this machine now, and remember them; implies `auto`
    cache           take the result of an earlier compilation of the same model, and keep this one
    precision       what products with constant matrices compute in where the model says f32: f32, or bf16, operands of
                    8 significant bits and sums in f32

    Raises `accordion.Error` with all reasons, one a line. Returns None if `output` is nothing that can be run here.
    """
    if kernels not in ("mlir", "halide", "auto"):
        raise ValueError(f"kernels={kernels!r}, expected 'mlir', 'halide' or 'auto'")
    if tune and kernels == "halide":
        raise ValueError("tune chooses kernels itself; leave kernels='halide' out")
    if precision not in ("f32", "bf16"):
        raise ValueError(f"precision={precision!r}, expected 'f32' or 'bf16'")
    options = dict(
        march=march,
        dims=dims or {},
        weights_file=os.fspath(weights_file or ""),
        save_temps=os.fspath(save_temps or ""),
        report_file=os.fspath(report or ""),
        opt_level=optimization,
        fold_constants=fold_constants,
        launcher=_launcher(),
        kernels=kernels,
        tune=tune,
        cache=cache,
        precision=precision,
    )
    with tempfile.TemporaryDirectory(prefix="accordion-") as folder:
        target = os.fspath(output) if output is not None else os.path.join(folder, "model.so")
        path, data = None, None
        if isinstance(model, (bytes, bytearray)):
            data = bytes(model)
        elif hasattr(model, "SerializeToString"):
            if model.ByteSize() <= _LARGEST_MESSAGE:
                data = model.SerializeToString()
            else:
                import onnx

                path = os.path.join(folder, "model.onnx")
                onnx.save(model, path, save_as_external_data=True, location="weights.bin")
        else:
            path = os.fspath(model)
        _compiler.compile(path, data, os.getcwd(), target, **options)
        if os.path.splitext(target)[1] in (".o", ".s", ".ll", ".mlir") or march == "aarch64":
            return None
        # The file is mapped once it is open, so that its name may go.
        return load(target, threads=threads)
