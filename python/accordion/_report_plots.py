"""Plots as SVG to stand in a page: no fixed size, the page's font, and its colours as CSS variables."""

from __future__ import annotations

import io
import re

import matplotlib
import matplotlib.patches
import matplotlib.ticker
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours that stand for variables of the page's style sheet until the SVG is written.
INK, SOFT, LINE, DONE, LEFT = (f"#0102{n:02x}" for n in range(1, 6))
VARIABLES = {INK: "--ink", SOFT: "--soft", LINE: "--line", DONE: "--done", LEFT: "--left"}

WIDTH = 7.6  # inches, the page's text width
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names may hold a dollar sign
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
}


def _svg(figure, name, label) -> str:
    """The figure as an element of the page."""
    file = io.StringIO()
    # The salt makes what is referred to by its identifier unique on the page, and the same in every run.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.S)
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = text.replace("xlink:href", "href")
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", text))
    used = {name for pair in used for name in pair if name}
    text = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", text)
    width, height = (72 * inches for inches in figure.get_size_inches())
    head = f'<svg role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}" style="width:{width / 72 * 96:.0f}px">'
    return re.sub(r"^<svg[^>]*>", head, text).strip()


def _figure(height, width=WIDTH, **grid):
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots(**grid)
    for one in axes.flat if hasattr(axes, "flat") else [axes]:
        one.patch.set_alpha(0)
    return figure, axes


def _percent(axis):
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))


def _short(name, most=34):
    """A name's end says more than its beginning."""
    return name if len(name) <= most else "…" + name[1 - most :]


def _rows(count):
    return 0.55 + 0.21 * count


def load_bars(sites) -> str:
    """How much of what could be computed was, for each site."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(_rows(len(sites)))
        at = range(len(sites))
        axes.barh(at, [1] * len(sites), color=LEFT, height=0.7)
        axes.barh(at, [site.load for site in sites], color=DONE, height=0.7)
        for i, site in enumerate(sites):
            axes.text(1.01, i, f"{site.load * 100:.0f} %", va="center", fontsize=8)
        axes.set_yticks(at, [_short(site.name) for site in sites])
        axes.set_ylim(len(sites) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        _percent(axes.xaxis)
        axes.tick_params(axis="y", length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        return _svg(figure, "load", "Load of each site")


def flops_bars(sites) -> str:
    """Work done and avoided of each site whose cost is known."""
    largest = max(site.flops_done + site.flops_avoided for site in sites)
    name, unit = next((n, u) for n, u in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1)) if largest >= u or u == 1)
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(_rows(len(sites)) + 0.3)
        at, done = range(len(sites)), [site.flops_done / unit for site in sites]
        axes.barh(at, done, color=DONE, height=0.7, label="done")
        axes.barh(at, [site.flops_avoided / unit for site in sites], left=done, color=LEFT, height=0.7, label="avoided")
        axes.set_yticks(at, [_short(site.name) for site in sites])
        axes.set_ylim(len(sites) - 0.4, -0.6)
        axes.set_xlabel(f"{name}FLOP in all runs shown")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper right", ncols=2, fontsize=8)
        return _svg(figure, "flops", "Floating-point operations done and avoided")


def histograms(sites, kind, label) -> str:
    """For a few sites bars, for many a row of shades each."""
    parts = [site.histogram() for site in sites]
    names = max((list(part) for part in parts), key=len)
    with matplotlib.rc_context(STYLE):
        if len(sites) <= 6:
            columns = min(3, len(sites))
            lines = -(-len(sites) // columns)
            size = {"nrows": lines, "ncols": columns, "squeeze": False}
            figure, axes = _figure(0.4 + 1.45 * lines, width=WIDTH * (0.4 + 0.2 * columns), sharey=True, **size)
            for one, site, part in zip(axes.flat, sites, parts):
                one.bar(list(part), list(part.values()), color=DONE, width=0.75)
                one.set_title(_short(site.name, 30))
                _percent(one.yaxis)
                one.grid(axis="y")
                one.set_axisbelow(True)
                one.tick_params(length=0)
                one.spines["left"].set_visible(False)
            for one in axes.flat[len(sites) :]:
                one.set_visible(False)
            figure.supxlabel(label, fontsize=9)
        else:
            figure, axes = _figure(_rows(len(sites)) + 0.3)
            for i, part in enumerate(parts):
                for j, value in enumerate(part.values()):
                    shade = 0.75 * value  # numbers stay readable on the darkest
                    axes.add_patch(matplotlib.patches.Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=DONE, alpha=shade, lw=0))
                    if value >= 0.005 and len(names) <= 16:
                        axes.text(j, i, f"{value * 100:.0f}", ha="center", va="center", fontsize=7)
            axes.set_xlim(-0.5, len(names) - 0.5)
            axes.set_ylim(len(sites) - 0.5, -0.5)
            axes.set_yticks(range(len(sites)), [_short(site.name) for site in sites])
            step = -(-len(names) // 24)
            axes.set_xticks(range(0, len(names), step), names[::step])
            axes.tick_params(length=0)
            axes.spines[["left", "bottom"]].set_visible(False)
            axes.set_xlabel(f"{label}; percent of the rows")
        return _svg(figure, kind, f"Distribution of {label}")


def exit_bars(ended) -> str:
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(_rows(len(ended)) + 0.2)
        at = range(len(ended))
        axes.barh(at, [part for _, part in ended], color=DONE, height=0.7)
        for i, (_, part) in enumerate(ended):
            axes.text(part + 0.01, i, f"{part * 100:.0f} %", va="center", fontsize=8)
        axes.set_yticks(at, [_short(name) for name, _ in ended])
        axes.set_ylim(len(ended) - 0.4, -0.6)
        axes.set_xlim(0, 1.08)
        axes.set_xticks([])
        axes.tick_params(axis="y", length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        return _svg(figure, "exits", "Where runs ended")


def sweep_lines(name, points) -> str:
    """Time against a budget, with the quartiles, and under it the work."""
    values = [point.budgets[name] for point in points]
    with_flops = all(point.flops_part is not None for point in points)
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(3.4 if with_flops else 2.3, nrows=1 + with_flops, squeeze=False, sharex=True)
        times = axes[0, 0]
        scale, unit = (1e3, "ms") if max(point.median for point in points) >= 1e-3 else (1e6, "µs")
        low, high = zip(*((low * scale, high * scale) for low, high in (point.quartiles for point in points)))
        times.fill_between(values, low, high, color=DONE, alpha=0.2, lw=0, label="quartiles")
        times.plot(values, [point.median * scale for point in points], "o-", color=DONE, ms=4, lw=1.5, label="median")
        times.set_ylabel(unit)
        times.legend(fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
        if with_flops:
            axes[1, 0].plot(values, [point.flops_part for point in points], "o-", color=SOFT, ms=4, lw=1.5)
            axes[1, 0].set_ylabel("FLOPs done")
            axes[1, 0].set_ylim(0, 1.05)
            _percent(axes[1, 0].yaxis)
        for one in axes.flat:
            one.grid(axis="y")
            one.set_axisbelow(True)
            one.set_ylim(bottom=0)
        axes[-1, 0].set_xlabel(name)
        if all(float(value).is_integer() for value in values):
            axes[-1, 0].xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
        return _svg(figure, f"sweep {name}", f"Time against {name}".replace('"', ""))
