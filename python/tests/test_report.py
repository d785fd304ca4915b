"""`accordion report`: what the page says of a run follows from its counters, and the page is complete in itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

CHAIN = {"name": "chain", "kind": "learner_chain", "counters": ["rows", "learner 0", "learner 1"], "flops": [0, 10, 10]}
EXPERTS = {"name": "moe", "kind": "moe_dispatch", "counters": ["rows", "expert 0", "expert 1"], "flops": [0, 100, 100]}
LOOP = {"name": "loop", "kind": "halting_loop", "counters": ["row steps", "step 0", "step 1", "step 2"], "flops": [0, 5, 5, 5]}
EXITS = [{"name": f"exit.{i}", "kind": "exit", "counters": ["runs", "rest"], "flops": [0, -1]} for i in range(2)]
# Of 10 rows 2 go through no learner, 5 through one, 3 through both.
COUNTS = {"chain": [10, 8, 3], "moe": [10, 10, 0], "loop": [12, 4, 2, 1], "exit.0": [1, 1], "exit.1": [1, 0]}


def run(seconds=0.25, budgets=None, **counts):
    return {"seconds": seconds, "budgets": budgets or {}, "sites": {**COUNTS, **counts}, "flops_done": 0, "flops_avoided": 0}


def stats(*runs):
    return {
        "accordion": "0.1.0",
        "model": "folder/<model> $1$.onnx",
        "threads": 2,
        "sites": [CHAIN, EXPERTS, LOOP, *EXITS],
        "runs": runs,
    }


@pytest.fixture(scope="module")
def report():
    pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
    from accordion import _report

    return _report


def write(report, folder, written, *arguments):
    """The page of these statistics."""
    (folder / "stats.json").write_text(json.dumps(written))
    output = folder / "page.html"
    assert report.main(["--stats", str(folder / "stats.json"), "-o", str(output), *map(str, arguments)]) == 0
    return output.read_text()


@pytest.fixture(scope="module")
def base():
    from accordion._report_stats import read

    return read(stats(run(), run(0.75, chain=[10, 2, 1]))).base


class TestArithmetic:
    def sites(self, base):
        return {site.name: site for site in base.sites}

    def test_load_is_what_was_taken_of_all_opportunities(self, base):
        loads = {name: site.load for name, site in self.sites(base).items()}
        assert loads == {"chain": 14 / 40, "moe": 0.5, "loop": 7 / 12, "exit.0": 1, "exit.1": 0}

    def test_learners_of_a_row_are_differences(self, base):
        assert self.sites(base)["chain"].histogram() == {"0": 10 / 20, "1": 6 / 20, "2": 4 / 20}

    def test_steps_of_a_row_are_differences(self, base):
        assert self.sites(base)["loop"].histogram() == {"1": 0.5, "2": 0.25, "3": 0.25}

    def test_experts_share_the_rows(self, base):
        assert self.sites(base)["moe"].histogram() == {"0": 1, "1": 0}

    def test_flops(self, base):
        sites = self.sites(base)
        assert (sites["chain"].flops_done, sites["chain"].flops_avoided) == (140, 260)
        assert (sites["moe"].flops_done, sites["moe"].flops_avoided) == (2000, 2000)
        assert (sites["loop"].flops_done, sites["loop"].flops_avoided) == (70, 50)
        assert not sites["exit.0"].known

    def test_where_runs_ended(self, base):
        from accordion._report_stats import exits

        assert exits(base.sites) == [("exit.0", 0), ("exit.1", 1), ("the end", 0)]

    def test_median_and_quartiles(self, base):
        assert base.median == 0.5 and base.quartiles == (0.375, 0.625)

    def test_a_sweep_changes_one_budget(self):
        from accordion._report_stats import read

        at = lambda t, k: run(budgets={"t": t, "k": k})
        sweeps = read(stats(at(0.5, 2), at(0.9, 2), at(0.1, 2), at(0.5, 3), at(0.9, 3))).sweeps()
        assert [p.budgets["t"] for p in sweeps["t"]] == [0.1, 0.5, 0.9] and [p.budgets["k"] for p in sweeps["k"]] == [2, 3]


class Page(HTMLParser):
    """Checks that elements close in order; collects text and what is referred to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.references, self.ids = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href", "xlink:href"):
                self.references.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def written(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    regions = [
        {"node": "/a/Mul", "result": "became ac.masked_rows with 2 matrix products"},
        {"node": "/b/Mul", "result": "mask of rows not used: <it> is never zero"},
    ]
    (folder / "compiled.json").write_text(json.dumps({"regions": regions}))
    runs = [run(t / 10, {"exit.confidence": t}) for t in (0.5, 0.7, 0.9) for _ in range(3)]
    return write(report, folder, stats(*runs), "--compile-report", folder / "compiled.json")


class TestPage:
    def test_is_complete_in_itself(self, written):
        page = Page(written)
        assert all(reference.startswith("#") for reference in page.references)
        assert not re.search(r"<script|<link|<img|@import|https?:", written)
        assert len(page.ids) == len(set(page.ids))
        assert {r[1:] for r in page.references} | set(re.findall(r"url\(#([^)]+)\)", written)) == set(page.ids)

    def test_says_what_was_recognised_and_what_not(self, written):
        text = "".join(Page(written).text)
        assert "Recognised: 1" in text and "/a/Mul" in text and "Left as it was: 1" in text and "<it> is never zero" in text

    def test_shows_loads_decisions_and_budgets(self, written):
        text = "".join(Page(written).text)
        for label in ("Load of each site", "Distribution of expert", "Where runs ended", "Time against exit.confidence"):
            assert f'aria-label="{label}"' in written
        assert "folder" not in text and "<model> $1$.onnx" in text
        assert "70.0 ms" in text and "Cost not known, and in no sum: exit.0, exit.1" in text

    def test_colours_follow_the_style_sheet(self, written):
        svg = "".join(re.findall(r"<svg.*?</svg>", written, re.S))
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000", "#ffffff"}
        assert "prefers-color-scheme: dark" in written and "@media print" in written

    def test_many_sites(self, report, tmp_path):
        many = stats(run())
        many["sites"] = [{**CHAIN, "name": f"layer.{i}"} for i in range(100)]
        many["runs"] = [{**run(), "sites": {site["name"]: [10, 8, 3] for site in many["sites"]}}]
        text = "".join(Page(write(report, tmp_path, many)).text)
        assert "layer.0" in text and "layer.99" in text

    def test_no_sites(self, report, tmp_path):
        empty = {**stats(run()), "sites": []}
        assert "No site of the model counts" in write(report, tmp_path, empty)


class Stub:
    """A session whose budget decides how many rows its only site takes."""

    def __init__(self):
        self.given = []

    def get_inputs(self):
        return [SimpleNamespace(name="x")]

    def get_budgets(self):
        return [SimpleNamespace(name="rows", value=4)]

    def run(self, names, feeds, *, budgets):
        self.given.append((int(feeds["x"][0]), budgets["rows"]))

    def stats(self):
        return {"seconds": 1.0, "budgets": {"rows": self.given[-1][1]}, "sites": {}}


class TestRuns:
    def test_every_setting_meets_every_input(self, report, tmp_path):
        for i in range(2):
            np.savez(tmp_path / f"{i}.npz", x=np.array([i]), other=np.zeros(1))
        session, said = Stub(), []
        settings = report.settings_of(session, report.parse_budgets(["rows=1,2"]))
        assert settings == [{"rows": 4}, {"rows": 1}, {"rows": 2}]
        runs = report.measure(session, report.files_of([tmp_path]), settings, 3, said.append)
        assert session.given == [(i, rows) for rows in (4, 1, 2) for i in (0, 1)] * 4
        assert len(runs) == 18 and {r["data"] for r in runs} == {"0.npz", "1.npz"}

    @pytest.mark.parametrize(
        ("budgets", "message"),
        [
            (["rows"], "`--budget rows` is not NAME=V"),
            (["rows=1,x"], "is not NAME=V"),
            (["row=1"], "no budget `row`; it has `rows`"),
        ],
    )
    def test_budgets_that_are_none(self, report, budgets, message):
        with pytest.raises(report.Refused, match=message):
            report.settings_of(Stub(), report.parse_budgets(budgets))

    def test_missing_input(self, report, tmp_path):
        np.savez(tmp_path / "a.npz", y=np.zeros(1))
        with pytest.raises(report.Refused, match="no input `x`"):
            report.measure(Stub(), [tmp_path / "a.npz"], [{"rows": 1}], 1, lambda text: None)


def command(build, *arguments):
    command = [sys.executable, "-m", "accordion", "report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(build / "python"), "PATH": ""})


def test_a_model_from_the_command_line(build, report, tmp_path):
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "small",
        *([helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])] for name in "xy"),
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    np.savez(tmp_path / "a.npz", x=np.ones(3, np.float32))
    options = ["--repeat", 2, "-o", tmp_path / "page.html", "--save-stats", tmp_path / "stats.json", "--threads", 1]
    done = command(build, tmp_path / "m.onnx", tmp_path / "a.npz", *options)
    assert done.returncode == 0, done.stderr
    page, kept = (tmp_path / "page.html").read_text(), json.loads((tmp_path / "stats.json").read_text())
    assert "no candidate" in page and "No site of the model counts" in page
    assert len(kept["runs"]) == 2 and kept["sites"] == [] and kept["threads"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("{", "is not JSON"), ("{}", "have no `sites`"), ('{"sites": [], "runs": []}', "have no runs")],
)
def test_statistics_that_are_none(build, report, tmp_path, content, message):
    file = tmp_path / "stats.json"
    if content is not None:
        file.write_text(content)
    done = command(build, "--stats", file, "-o", tmp_path / "page.html")
    assert done.returncode == 1 and message in done.stderr and done.stderr.startswith("accordion report: error: ")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "page.html").exists()


# What lowerings leave: a loop whose rows are counted in each of its iterations, the later ones together.
COUNTED = """
module attributes {ac.stage = "lower"} {
func.func @main(%x: tensor<?x4xf32> {ac.type = "f32", bufferization.writable = false, onnx.name = "x", onnx.dims = ["n", 4]})
    -> (tensor<?x4xf32> {ac.type = "f32", onnx.name = "y", onnx.dims = ["n", 4]}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = tensor.dim %x, %c0 : tensor<?x4xf32>
  %n = ac.read_budget "steps" = 2.0 in [0.0, 8.0] : i64
  %steps = arith.index_cast %n : i64 to index
  scf.for %i = %c0 to %steps step %c1 {
    ac.count "loop" 0 %rows of "halting_loop" ["row steps", "step 0", "later"] flops [0, 8, 8]
    ac.count "loop" 1 %rows at %i of "halting_loop" ["row steps", "step 0", "later"] flops [0, 8, 8]
  }
  return %x : tensor<?x4xf32>
}
}
"""


def test_budgets_of_a_model_from_the_command_line(build, report, tmp_path):
    (tmp_path / "m.mlir").write_text(COUNTED)
    np.savez(tmp_path / "a.npz", x=np.ones((3, 4), np.float32))
    options = ["--budget", "steps=1,4", "--repeat", 2, "-o", tmp_path / "page.html", "--save-stats", tmp_path / "stats.json"]
    done = command(build, tmp_path / "m.mlir", tmp_path / "a.npz", *options)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "stats.json").read_text())
    counts = {run["budgets"]["steps"]: run["sites"]["loop"] for run in kept["runs"]}
    assert counts == {2: [6, 3, 3], 1: [3, 3, 0], 4: [12, 3, 9]}
    page = (tmp_path / "page.html").read_text()
    assert 'aria-label="Time against steps"' in page and "What was run" in page

    done = command(build, tmp_path / "m.mlir", tmp_path / "a.npz", "--budget", "steps=9", "-o", tmp_path / "none.html")
    assert done.returncode == 1 and "expected a whole number from 0 to 8" in done.stderr and done.stderr.count("\n") == 1
