"""Ten real, trained models with natural inputs, and what a person expects of their answers.

    prepare(["minilm_fp32"])        makes build/models/minilm_fp32: model.onnx, inputs, goldens
    MODELS[name].check(folder, open_model)
                                    yields (text, whether it is as expected); `open_model(file)` gives a function
                                    from feeds to outputs in graph order

Three models come as they are in their packages; the graphs of the others are built here from packaged weights.
`golden_<model>_<k>.npz` holds the k-th distinct shape of feeds met in the checks (`in_<name>`) with the answers of ONNX
Runtime (`out_<i>`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "build" / "models"
GOLDENS_PER_MODEL = 4


def _catalogue():
    from . import files, language, smollm, speech, vision

    models = [
        speech.SileroVad(), files.Magika(), vision.TextDetection(), vision.TextRecognition(), language.MiniLmInt8(),
        language.MiniLm(), vision.CenterFace(), smollm.SmolLm2(), speech.Resemblyzer(), language.Phonemes(),
    ]  # fmt: skip
    return {model.name: model for model in models}


MODELS = _catalogue()


def onnx_runtime(path, threads: int = 1):
    """A function from feeds to outputs, by ONNX Runtime at its best settings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    takes = {value.name for value in session.get_inputs()}
    return lambda feeds: session.run(None, {name: array for name, array in feeds.items() if name in takes})


def _write_goldens(model, folder: Path) -> None:
    import numpy as np

    def open_model(file):
        run, shapes = onnx_runtime(folder / file, 2), []

        def recorded(feeds):
            answers = run(feeds)
            shape = sorted((name, np.shape(array)) for name, array in feeds.items())
            if shape not in shapes and len(shapes) < GOLDENS_PER_MODEL:
                arrays = {f"in_{name}": array for name, array in feeds.items()}
                arrays |= {f"out_{i}": array for i, array in enumerate(answers)}
                np.savez(folder / f"golden_{Path(file).stem}_{len(shapes)}.npz", **arrays)
                shapes.append(shape)
            return answers

        return recorded

    for text, good in model.check(folder, open_model):
        if not good:
            raise SystemExit(f"real_models: error: {model.name} under ONNX Runtime: {text}")


def goldens(folder: Path, file: str):
    """(feeds, answers of ONNX Runtime) of each golden of a model file."""
    import numpy as np

    for path in sorted(folder.glob(f"golden_{Path(file).stem}_*.npz")):
        with np.load(path) as data:
            feeds = {name[3:]: data[name] for name in data.files if name.startswith("in_")}
            yield feeds, [data[f"out_{i}"] for i in range(len(data.files) - len(feeds))]


@contextlib.contextmanager
def _alone(folder: Path):
    """Only one process at a time makes models in `folder`; tests run in several."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare(names=None, folder: Path = FOLDER, say=print) -> None:
    """Makes the models that are not there yet, or were made by other code than this."""
    import numpy
    import onnx
    import onnxruntime

    here = Path(__file__).parent
    key = hashlib.sha256("".join((onnx.__version__, numpy.__version__, onnxruntime.__version__)).encode())
    for file in sorted(here.glob("*.py")):
        key.update(file.read_bytes())
    with _alone(folder):
        for name in names or MODELS:
            place, model = folder / name, MODELS[name]
            stamp = place / "made.json"
            wanted = {"key": key.hexdigest(), "files": list(model.files)}
            if stamp.exists() and json.loads(stamp.read_text()) == wanted:
                continue
            say(f"models: making {name} ({model.title})")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            model.make(place)
            _write_goldens(model, place)
            stamp.write_text(json.dumps(wanted))
