"""The page: one HTML file with everything in it."""

from __future__ import annotations

import datetime
import os
from html import escape

from accordion import _report_plots as plots
from accordion._report_stats import CHAINED, ROUTED, STEPPED, Statistics, exits

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2430; --soft: #5b6675; --line: #cdd4dd; --card: #f4f6f9;
  --done: #1f6f8b; --left: #d5dee6; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181e; --ink: #e4e9ef; --soft: #9aa7b6; --line: #3a4552;
  --card: #1d232b; --done: #58b4d1; --left: #323d49; } }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --card: #f4f4f4;
  --done: #1f6f8b; --left: #d5dee6; } body { margin: 0; max-width: none; } }
* { box-sizing: border-box; }
html { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
body { background: var(--paper); color: var(--ink); margin: 2rem auto; max-width: 56rem; padding: 0 1.2rem;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.tiles { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1.2rem 0 0; }
.tile { background: var(--card); border-radius: .5rem; padding: .6rem .9rem; flex: 1 1 9rem; }
.tile b { display: block; font-size: 1.35rem; font-weight: 600; line-height: 1.3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; margin: .4rem 0; }
th, td { text-align: left; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child { overflow-wrap: anywhere; min-width: 9rem; }
code { font: .93em ui-monospace, "DejaVu Sans Mono", monospace; }
svg { max-width: 100%; height: auto; display: block; margin: .3rem 0; }
svg text { font-family: inherit; }
summary { cursor: pointer; margin: .5rem 0; }
svg, tr, .tile { break-inside: avoid; } h2, h3 { break-after: avoid; }
"""

LABELS = {CHAINED: "learners that a row went through", STEPPED: "steps that a row ran", ROUTED: "expert"}
HISTOGRAM_TITLES = {
    CHAINED: "How many learners rows went through",
    STEPPED: "How many steps rows ran",
    ROUTED: "What part of the rows each expert took",
}
SCALES = ((1, "s", 1), (1e3, "ms", 1e-3), (1e6, "µs", 0))
# With more sites than this a figure would not fit a printed page, and becomes several.
MOST_SITES = 40


def _percent(value):
    return "–" if value is None else f"{value * 100:.0f} %" if value >= 0.1 or value == 0 else f"{value * 100:.1f} %"


def _ms(seconds):
    value, unit = next((seconds * scale, unit) for scale, unit, least in SCALES if seconds >= least)
    return f"{value:#.3g}".rstrip(".") + f" {unit}" if value < 1000 else f"{value:.0f} {unit}"


def _number(value):
    return f"{value:g}" if isinstance(value, (int, float)) else escape(str(value))


def _flops(value):
    for name, unit in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= unit:
            return f"{value / unit:.3g} {name}FLOP"
    return f"{value:.0f} FLOP"


def _table(heads, rows, numbers=()):
    """Cells are HTML already; columns of `numbers` stand right."""
    mark = lambda i: ' class="n"' if i in numbers else ""
    head = "".join(f"<th{mark(i)}>{cell}</th>" for i, cell in enumerate(heads))
    body = "".join("<tr>" + "".join(f"<td{mark(i)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n'


def _section(title, *parts):
    return f"<section>\n<h2>{title}</h2>\n" + "\n".join(parts) + "\n</section>\n"


def _settings(budgets):
    return ", ".join(f"<code>{escape(name)}</code> = {_number(value)}" for name, value in budgets.items())


def _recognised(region):
    return region["result"].startswith("became")


def _regions(compiled):
    """What the compiler found in the model, and what it left as it was."""
    if compiled is None:
        return _section(
            "Recognised", '<p class="soft">No report of the compiler was given (<code>--compile-report</code>).</p>'
        )
    regions = compiled.get("regions", [])
    if not regions:
        return _section("What was recognised", "<p>The compiler found no candidate for an adaptive construct in the model.</p>")
    parts = []
    for title, chosen in (("Recognised", True), ("Left as it was", False)):
        rows: dict[str, list[str]] = {}
        for region in regions:
            if _recognised(region) == chosen:
                rows.setdefault(region["result"], []).append(region["node"] or "(no name)")
        if not rows:
            continue
        count = sum(map(len, rows.values()))
        cells = [(escape(result), str(len(nodes)), _nodes(nodes)) for result, nodes in rows.items()]
        table = _table(("What became of it" if chosen else "Condition that failed", "Nodes", ""), cells, numbers=(1,))
        parts.append(f"<h3>{title}: {count}</h3>\n{table}")
    return _section("What was recognised", *parts)


def _nodes(nodes, most=3):
    shown = ", ".join(f"<code>{escape(node)}</code>" for node in nodes[:most])
    if len(nodes) <= most:
        return shown
    rest = ", ".join(f"<code>{escape(node)}</code>" for node in nodes[most:])
    return f"{shown}<details><summary>{len(nodes) - most} more</summary>{rest}</details>"


def _tiles(stats: Statistics, compiled):
    base = stats.base
    tiles = [(_ms(base.median), f"median of {len(base.seconds)} runs")]
    if base.flops_part is not None:
        tiles.append((_percent(1 - base.flops_part), "of the sites' FLOPs avoided"))
    tiles.append((str(len(base.sites)), "site that decides" if len(base.sites) == 1 else "sites that decide"))
    if regions := (compiled or {}).get("regions"):
        tiles.append((f"{sum(map(_recognised, regions))} of {len(regions)}", "candidates recognised"))
    return '<div class="tiles">' + "".join(f'<div class="tile"><b>{a}</b>{b}</div>' for a, b in tiles) + "</div>\n"


def _loads(base):
    sites = [site for site in base.sites if site.load is not None]
    idle = [site for site in base.sites if site.load is None]
    parts = []
    if sites:
        parts.append("<p>The part of what each site could have computed that it did.</p>")
        parts += [plots.load_bars(sites[i : i + MOST_SITES]) for i in range(0, len(sites), MOST_SITES)]
        rows = [
            (f"<code>{escape(s.name)}</code>", escape(s.kind), f"{s.counts[0]:,}", escape(s.counters[0]), _percent(s.load))
            for s in sites
        ]
        table = _table(("Site", "Kind", "Opportunities", "", "Load"), rows, numbers=(2, 4))
        parts.append(f"<details><summary>The numbers</summary>{table}</details>")
    if idle:
        parts.append(f"<p>Not reached in any run: {_nodes([site.name for site in idle])}</p>")
    if not parts:
        parts.append('<p class="soft">No site of the model counts.</p>')
    return _section("Load", *parts)


def _distributions(base):
    parts = []
    for kind, label in LABELS.items():
        sites = [site for site in base.sites if site.kind == kind and site.histogram()]
        if sites:
            parts.append(f"<h3>{HISTOGRAM_TITLES[kind]}</h3>")
            parts += [
                plots.histograms(sites[i : i + MOST_SITES], f"{kind}{i}", label) for i in range(0, len(sites), MOST_SITES)
            ]
    if ended := exits(base.sites):
        parts += ["<h3>Where runs ended</h3>", plots.exit_bars(ended)]
    return _section("Decisions", *parts) if parts else ""


def _work(base):
    known = [site for site in base.sites if site.known and site.flops_done + site.flops_avoided]
    unknown = [site.name for site in base.sites if not site.known]
    parts = []
    if known:
        done, avoided = base.flops_done, base.flops_avoided
        parts.append(
            f"<p>{_flops(done)} done, {_flops(avoided)} avoided: {_percent(avoided / (done + avoided))} of what the sites "
            "would have computed for every opportunity. What is outside of sites is not counted.</p>"
        )
        parts += [plots.flops_bars(known[i : i + MOST_SITES]) for i in range(0, len(known), MOST_SITES)]
    if unknown:
        parts.append(f"<p>Cost not known, and in no sum: {_nodes(unknown)}</p>")
    return _section("FLOPs done and avoided", *parts) if parts else ""


def _budgets(stats: Statistics, budgets):
    parts = [f"<h3><code>{escape(name)}</code></h3>{plots.sweep_lines(name, p)}" for name, p in stats.sweeps().items()]
    parts = (
        ["<p>The time of a run, and the FLOPs of the sites, against each budget that was varied.</p>", *parts] if parts else []
    )
    if budgets:
        spell = lambda b: (
            f"<code>{escape(b['name'])}</code>",
            escape(b["type"]),
            *(_number(b[k]) for k in ("initial", "least", "most")),
        )
        parts.append("<h3>The model's budgets</h3>")
        parts.append(_table(("Budget", "Type", "Initial", "Least", "Most"), map(spell, budgets), numbers=(2, 3, 4)))
    if len(stats.points) > 1:
        names = [name for name in stats.base.budgets if len({point.budgets.get(name) for point in stats.points}) > 1]
        rows = []
        for point in sorted(stats.points, key=lambda p: [p.budgets.get(name, 0) for name in names]):
            low, high = point.quartiles
            cells = [_number(point.budgets.get(name, "–")) for name in names]
            rows.append((*cells, str(len(point.seconds)), _ms(low), _ms(point.median), _ms(high), _percent(point.flops_part)))
        heads = [f"<code>{escape(name)}</code>" for name in names]
        heads += ["Runs", "Lower quartile", "Median", "Upper quartile", "FLOPs done"]
        parts += ["<h3>What was run</h3>", _table(heads, rows, numbers=range(len(heads)))]
    return _section("Budgets", *parts) if parts else ""


def page(stats_json: dict, stats: Statistics, compiled: dict | None, budgets: list[dict], title: str | None) -> str:
    base, model = stats.base, stats_json.get("model", "")
    title = title or os.path.basename(model) or "model"
    data = sorted({run["data"] for run in stats_json["runs"] if "data" in run})
    now = datetime.datetime.now().strftime("%Y-%m-%d %H:%M")
    facts = [f"Accordion {escape(str(stats_json.get('accordion', '')))}".strip()]
    if threads := stats_json.get("threads"):
        facts.append(f"{threads} thread" + "s" * (threads != 1))
    if data:
        facts.append(f"{len(data)} input" + "s" * (len(data) != 1))
    facts += [f"{len(stats_json['runs'])} runs", now]
    shown = ""
    if base.budgets:
        shown = f"<p>Load, decisions and FLOPs are those of the runs with {_settings(base.budgets)}.</p>\n"
    body = [
        f'<h1>{escape(title)}</h1>\n<p class="soft">{" · ".join(facts)}</p>\n{shown if len(stats.points) > 1 else ""}',
        _tiles(stats, compiled),
        _regions(compiled),
        _loads(base),
        _distributions(base),
        _work(base),
        _budgets(stats, budgets),
    ]
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: what it computed</title>\n<style>{STYLE}</style>"
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{"".join(body)}</body>\n</html>\n'
