"""`accordion report`: runs a model over data and writes a page about what it computed and what it left out."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

DESCRIPTION = """\
Runs MODEL over data and writes one HTML page: what of the model was recognised as adaptive, how much of it each site
computed, what that saved, and what budgets change. With --stats it runs nothing and takes what a run wrote.

  accordion report model.onnx samples/ -o page.html
  accordion report model.onnx samples/ --budget exit.0.confidence=0.5,0.7,0.9 -o page.html
  accordion report --stats stats.json --compile-report report.json -o page.html"""


class Refused(Exception):
    """What the user has to change, in one line."""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="accordion report", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path, help="an ONNX model, or what ac-compile made of one")
    parser.add_argument("data", nargs="*", type=Path, help=".npz files, one run's inputs each, or folders of them")
    parser.add_argument("-o", "--output", type=Path, default=Path("report.html"), help="the page (report.html)")
    parser.add_argument(
        "--budget", action="append", default=[], metavar="NAME=V[,V2,...]", help="a budget's value, or values to compare"
    )
    parser.add_argument("--threads", type=int, help="threads of a run, one per core unless given")
    parser.add_argument("--repeat", type=int, default=5, help="runs with each input and each setting (5)")
    parser.add_argument("--stats", type=Path, help="statistics of runs that were made before, instead of running MODEL")
    parser.add_argument("--compile-report", type=Path, help="what `ac-compile --report` wrote, to say what was recognised")
    parser.add_argument("--save-stats", type=Path, help="write the statistics of the runs here, too")
    parser.add_argument("--title", help="heading of the page, the model's name unless given")
    options = parser.parse_args(arguments)
    if (options.stats is None) == (options.model is None):
        parser.error("give either a model with data, or --stats")
    if options.model and not options.data:
        parser.error("no data given; name .npz files or a folder of them")
    if options.repeat < 1:
        parser.error(f"--repeat is {options.repeat}, expected 1 or more")
    return options


def parse_budgets(texts) -> dict[str, list[float]]:
    budgets = {}
    for text in texts:
        name, equals, values = text.partition("=")
        try:
            budgets[name] = [int(v) if v.strip().lstrip("+-").isdigit() else float(v) for v in values.split(",")]
        except ValueError:
            equals = ""
        if not equals or not name:
            raise Refused(f"`--budget {text}` is not NAME=V[,V2,...] with numbers")
    return budgets


def files_of(places) -> list[Path]:
    files = []
    for place in places:
        found = sorted(place.glob("*.npz")) if place.is_dir() else [place]
        if not found:
            raise Refused(f"{place}: the folder has no .npz file")
        files += found
    for file in files:
        if not file.exists():
            raise Refused(f"{file}: there is no such file")
    return files


def settings_of(session, wanted) -> list[dict[str, float]]:
    """The budgets of each point: first what is fixed, then every sweep with the others as they were there."""
    known = {budget.name: budget.value for budget in session.get_budgets()}
    for name in wanted:
        if name not in known:
            have = ", ".join(f"`{n}`" for n in known) or "none"
            raise Refused(f"the model has no budget `{name}`; it has {have}")
    base = {**known, **{name: values[0] for name, values in wanted.items() if len(values) == 1}}
    settings = [base]
    for name, values in wanted.items():
        if len(values) > 1:
            settings += [{**base, name: value} for value in values if {**base, name: value} not in settings]
    return settings


def measure(session, files, settings, repeat, say) -> list[dict]:
    """The runs, in rounds in which every setting meets every input once, so that what else the machine does meets all."""
    import numpy as np

    names, feeds = [value.name for value in session.get_inputs()], []
    for file in files:
        with np.load(file) as arrays:
            missing = [name for name in names if name not in arrays.files]
            if missing:
                raise Refused(f"{file}: there is no input `{missing[0]}`; the model has {', '.join(names)}")
            feeds.append({name: arrays[name] for name in names})
    runs = []
    for turn in range(repeat + 1):
        say(f"round {turn} of {repeat}" if turn else "warming up")
        for budgets in settings:
            for file, feed in zip(files, feeds):
                start = time.perf_counter()
                session.run(None, feed, budgets=budgets)
                seconds = time.perf_counter() - start
                if turn:  # the first round warms up
                    runs.append({"seconds": seconds, **session.stats(), "data": file.name})
    return runs


def run_model(options, say) -> tuple[dict, dict | None, list]:
    """Statistics as `--stats` writes them, the report of the compiler, the budgets."""
    import accordion

    wanted, files = parse_budgets(options.budget), files_of(options.data)
    compiled = None
    if not options.model.exists():
        raise Refused(f"{options.model}: there is no such file")
    if options.model.suffix in (".onnx", ".mlir"):
        with tempfile.TemporaryDirectory(prefix="accordion-") as folder:
            report = Path(folder) / "report.json"
            say(f"compiling {options.model}")
            session = accordion.compile(options.model, threads=options.threads, report=report)
            compiled = json.loads(report.read_text())
    else:
        session = accordion.load(options.model, threads=options.threads)
    runs = measure(session, files, settings_of(session, wanted), options.repeat, say)
    stats = {
        "accordion": accordion.__version__,
        "model": os.fspath(options.model),
        "threads": options.threads or len(os.sched_getaffinity(0)),
        "sites": [site._asdict() for site in session.get_sites()],
        "runs": runs,
        "totals": {key: sum(run.get(key, 0) for run in runs) for key in ("flops_done", "flops_avoided")},
    }
    return stats, compiled, [budget._asdict() for budget in session.get_budgets()]


def read_json(path):
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise Refused(f"{path}: {error.strerror.lower()}") from None
    except ValueError as error:
        raise Refused(f"{path}: is not JSON: {error}") from None


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    terminal = sys.stderr.isatty()

    def say(text):
        """One line that says what is going on, on terminals only."""
        if terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    try:
        import accordion

        try:
            from accordion._report_page import page
            from accordion._report_stats import read
        except ImportError as error:
            raise Refused(f"{error}; install it with `pip install accordion[report]`") from None
        stats, compiled, budgets = (read_json(options.stats), None, []) if options.stats else run_model(options, say)
        if options.compile_report:
            compiled = read_json(options.compile_report)
        if options.save_stats:
            options.save_stats.write_text(json.dumps(stats, indent=1) + "\n")
        try:
            text = page(stats, read(stats), compiled, budgets, options.title)
        except ValueError as error:
            raise Refused(f"{options.stats or options.model}: {error}") from None
        options.output.write_text(text, encoding="utf-8")
    except (Refused, accordion.Error, OSError) as error:
        say("")
        print(f"accordion report: error: {error}", file=sys.stderr)
        return 1
    say("")
    print(f"{options.output}, {len(text) / 1e3:.0f} KB")
    return 0
