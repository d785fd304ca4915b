"""The results as Markdown."""

from __future__ import annotations

import math
import re
import statistics

from engines import TITLES

MARKS = "<!-- results of benchmarks/adaptive/run.py -->", "<!-- end of results -->"

LEGEND = """\
Times are medians in milliseconds. In brackets: the share of the ideal, which is the FLOPs that the load needs at the speed
of the same engine's dense form, over the time; for `moe_prefill` the part of the machine's peak of multiply-adds, for
`moe_token` the rate at which weights are read, for `branches` what one `If` costs. *Form* and *any* are Accordion's time over
that of the fastest peer, for the same form and for whatever form serves that peer best at this load: below 1 Accordion is
faster. An answer that differs is marked and does not count.
"""


def number(seconds):
    ms = seconds * 1e3
    return f"{ms:.{max(0, min(3, 2 - math.floor(math.log10(max(ms, 1e-6)))))}f}"


def _cell(result, peaks):
    if result is None:
        return "–"
    text = number(result["seconds"])
    if result["wrong"]:
        return f"{text} *wrong*"
    peak = peaks.get(result["threads"])
    if "share" in result:
        text += f" ({result['share']:.0%})"
    elif "step_s" in result:
        text += f" ({result['step_s'] * 1e6:.2f} µs)"
    elif "read_gbs" in result:
        text += f" ({result['read_gbs']:.1f} GB/s)"
    elif "gflops" in result and peak:
        text += f" ({result['gflops'] / peak['gflops']:.0%})"
    return text.replace("%", " %")


def _ratio(ours, others):
    others = [r["seconds"] for r in others if not r["wrong"]]
    if not ours or ours["wrong"] or not others:
        return None
    return ours["seconds"] / min(others)


def _optional(value):
    return "–" if value is None else f"{value:.2f}"


def _family(name, results, engines, peaks):
    """The table of a family, with one row for each thread count, load and form."""
    yield f"### {name}"
    yield ""
    yield "| Threads | Load | Form | Active | " + " | ".join(TITLES[e] for e in engines) + " | Form | Any |"
    yield "|---:|---|---|---:|" + "---:|" * (len(engines) + 2)
    forms, loads = (list(dict.fromkeys(r[key] for r in results)) for key in ("form", "load"))
    for threads in sorted({r["threads"] for r in results}):
        here = [r for r in results if r["threads"] == threads]
        if "dense" in forms:
            # It ran in the round of each load; one row says how fast it was over all.
            cells, all_dense = [], {}
            for engine in engines:
                found = [r for r in here if r["form"] == "dense" and r["engine"] == engine]
                if found:
                    median = statistics.median(r["seconds"] for r in found)
                    all_dense[engine] = {**found[0], "seconds": median, "wrong": any(r["wrong"] for r in found)}
                cells.append(_cell(all_dense.get(engine), peaks))
            ratio = _ratio(all_dense.get("accordion"), [r for e, r in all_dense.items() if e != "accordion"])
            yield f"| {threads} | – | dense | 100 % | " + " | ".join(cells) + f" | {_optional(ratio)} | – |"
        for load in loads:
            of_load = [r for r in here if r["load"] == load and r["form"] != "dense"]
            for form in forms:
                found = {r["engine"]: r for r in of_load if r["form"] == form}
                if not found:
                    continue
                part = next(iter(found.values()))["part"]
                same = _ratio(found.get("accordion"), [r for e, r in found.items() if e != "accordion"])
                best = _ratio(found.get("accordion"), [r for r in of_load if r["engine"] != "accordion"])
                cells = " | ".join(_cell(found.get(engine), peaks) for engine in engines)
                active = f"{part:.0%}".replace("%", " %")
                yield f"| {threads} | {load} | {form} | {active} | {cells} | {_optional(same)} | {_optional(best)} |"
    yield ""


def _summary(results):
    for name in dict.fromkeys(r["family"] for r in results):
        for threads in sorted({r["threads"] for r in results}):
            here = [r for r in results if r["family"] == name and r["threads"] == threads and r["form"] != "dense"]
            ours = [r for r in here if r["engine"] == "accordion" and not r["wrong"]]
            if not ours:
                continue
            ratios = []
            for our in ours:
                same = [r for r in here if r["engine"] != "accordion" and (r["form"], r["load"]) == (our["form"], our["load"])]
                ratios += filter(None, [_ratio(our, same)])
            shares = [r["share"] for r in ours if "share" in r]
            parts = []
            if shares:
                parts.append(f"share of the ideal {min(shares):.0%} to {max(shares):.0%}".replace("%", " %"))
            if ratios:
                mean = math.exp(statistics.fmean(map(math.log, ratios)))
                parts.append(f"geometric mean of the time over the best peer's {mean:.2f}, highest {max(ratios):.2f}")
            if parts:
                yield f"- {name}, {threads} thread{'s' * (threads > 1)}: " + "; ".join(parts)


def _failures(failures, missing):
    for engine, reason in missing.items():
        yield f"- {TITLES[engine]} is missing: {reason}"
    grouped = {}
    for f in failures:
        grouped.setdefault((f["engine"], f["reason"]), []).append(f"{f['family']}/{f['form']}@{f['load']}")
    for (engine, reason), cells in grouped.items():
        cells = list(dict.fromkeys(cells))
        named = ", ".join(cells[:6]) + (f" and {len(cells) - 6} more" if len(cells) > 6 else "")
        reason = re.sub(r"(/[^\s/:]+)+/", "", reason).replace("|", "/")  # no folder of this machine
        yield f"- {TITLES[engine]} fails on {named}: {reason}"


def markdown(kept, engines):
    facts, peaks, results = kept["machine"], kept["peaks"], kept["results"]
    versions = [f"ONNX Runtime {facts['onnxruntime']}"] + [f"{TITLES[e]} {v}" for e, v in facts["peers"].items()]
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, {facts['vectors']}; {', '.join(versions)}; commit {facts['commit']}, "
        f"{facts['date']}; `{facts['command']}`.",
        "",
    ]
    for threads, peak in peaks.items():
        read = ", ".join(f"{value:.1f} GB/s from {int(size) / 1e6:.0f} MB" for size, value in peak["read"].items())
        lines.append(f"- {threads} thread{'s' * (threads > 1)}: {peak['gflops']:.0f} GFLOP/s of multiply-adds, reads {read}")
    if not peaks:
        lines.append("- no C++ compiler was found, so the machine's peaks are not known")
    busy = [r["waiting"] for r in results if r["waiting"] is not None]
    if busy:
        share = f"{statistics.median(busy):.0%}".replace("%", " %")
        lines.append(f"- processes waited for a core in {share} of the time (median of the rounds)")
    lines += ["", LEGEND]
    for name in dict.fromkeys(r["family"] for r in results):
        lines += _family(name, [r for r in results if r["family"] == name], engines, peaks)
    lines += [*_summary(results), ""]
    failed = list(_failures(kept["failures"], kept["missing"]))
    if failed:
        lines += ["What did not run:", "", *failed, ""]
    worst = max((r["difference"] for r in results if r["engine"] == "accordion"), default=0.0)
    lines.append(f"The largest difference of any answer of Accordion from the reference is {worst:.1e} of the largest number.")
    return "\n".join(lines) + "\n"
