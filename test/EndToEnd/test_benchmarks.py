"""The benchmark of adaptive models, with small models and ONNX Runtime as the only peer: that it runs to its end and
that what it measures computes the same on both."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY

SMALL = {
    "families": {
        "acm_mlp": {"rows": 9, "width": 16, "hidden": 64, "learners": 4, "gate": 8, "loads": [50]},
        "moe": {
            "rows": 6, "width": 16, "hidden": 32, "heads": 2, "layers": 1, "experts": 4, "loads": [25], "skewed": 25,
        },
        "moe_token": {"rows": 1, "width": 16, "hidden": 32, "layers": 1, "experts": 4, "k": 2},
        "act": {"rows": 6, "width": 16, "hidden": 32, "heads": 2, "steps": 3, "loads": [50]},
        "branches": {"steps": 4},
    },
    "threads": [1],
    "pairs": 1,
    "least_seconds": 0,
    "read_bytes": 1048576,
}  # fmt: skip
ONLY = "acm_mlp/gather@|moe/moe_op@skew25|moe_token/moe_op|act/loop@50|branches"


@pytest.fixture(scope="module")
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adaptive")
    (folder / "small.json").write_text(json.dumps(SMALL))
    command = [
        sys.executable,
        REPOSITORY / "benchmarks" / "adaptive" / "run.py",
        "--build",
        request.config.getoption("--build"),
    ]
    command += ["--config", folder / "small.json", "--out", folder, "--engines", "accordion,onnxruntime", "--only", ONLY]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads((folder / "results.json").read_text()), (folder / "results.md").read_text()


def test_engines_agree(results):
    kept, _ = results
    assert not kept["failures"]
    assert {r["engine"] for r in kept["results"]} == {"accordion", "onnxruntime"}
    assert {r["family"] for r in kept["results"]} == set(SMALL["families"])
    assert max(r["difference"] for r in kept["results"]) < 1e-3


def test_shares_and_rates_follow_from_the_times(results):
    kept, _ = results
    for result in kept["results"]:
        assert result["seconds"] > 0
        if result["form"] == "dense" or result["family"] in ("moe_token", "branches"):
            continue
        (dense,) = [
            r
            for r in kept["results"]
            if r["form"] == "dense" and all(r[key] == result[key] for key in ("family", "load", "threads", "engine"))
        ]
        # There is one round, so that the median over the rounds is what it was there.
        assert result["share"] == pytest.approx(result["flops_part"] * dense["seconds"] / result["seconds"], rel=1e-6)


def test_the_table_has_every_family(results):
    _, text = results
    for family in SMALL["families"]:
        assert f"### {family}\n" in text
    assert "wrong*" not in text and "What did not run" not in text


def test_the_results_go_between_the_marks_of_the_page(results, tmp_path):
    _, text = results
    page = REPOSITORY / "docs" / "benchmarks-adaptive.md"
    copy = tmp_path / page.name
    copy.write_text(page.read_text())
    code = "import sys, pathlib, documents, tables; documents.put(pathlib.Path(sys.argv[1]), tables.MARKS, sys.stdin.read())"
    folders = [str(REPOSITORY / "benchmarks"), str(REPOSITORY / "benchmarks" / "adaptive")]
    for _ in range(2):  # what was there is replaced
        command = [sys.executable, "-c", code, str(copy)]
        subprocess.run(command, input=text, text=True, check=True, env={**os.environ, "PYTHONPATH": ":".join(folders)})
    before, _, after = page.read_text().partition("<!-- end of results -->")
    assert copy.read_text().count(text) == 1 and copy.read_text().startswith(before[: before.index("<!-- results")])
    assert copy.read_text().endswith("<!-- end of results -->" + after)
