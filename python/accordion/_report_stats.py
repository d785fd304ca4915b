"""What the counters of runs say: how often each site computed, and what that cost.

Statistics are what `--stats=FILE.json` writes: `sites` with their counters, and for each of `runs` its seconds, budgets
and counts. Counter 0 of a site counts opportunities, every other how many of them were taken.
"""

from __future__ import annotations

import itertools
import re
import statistics
from dataclasses import dataclass, field

# What a kind's counters behind the first are called together, and how often its first counter is one unit of them.
ROUTED, CHAINED, STEPPED, EXITS = "moe_dispatch", "learner_chain", "halting_loop", "exit"


@dataclass
class Site:
    name: str
    kind: str
    counters: list[str]
    flops: list[int]
    counts: list[int] = field(default_factory=list)  # over all runs that were added

    def __post_init__(self):
        self.counts = [0] * len(self.counters)

    def add(self, counts):
        if len(counts) != len(self.counts):
            raise ValueError(f"site `{self.name}` has {len(self.counts)} counters, a run has {len(counts)} for it")
        self.counts = [a + b for a, b in zip(self.counts, counts)]

    @property
    def _counts_steps(self):
        """Whether the first counter has all steps of a loop in it, or only those who could take each of them."""
        return self.kind == STEPPED and "step" in self.counters[0]

    @property
    def capacity(self) -> int:
        """What could have been taken."""
        return self.counts[0] * (1 if self._counts_steps else len(self.counts) - 1)

    @property
    def load(self) -> float | None:
        """The part of it that was; None where there was no opportunity."""
        return min(1.0, sum(self.counts[1:]) / self.capacity) if self.capacity else None

    @property
    def known(self) -> bool:
        return bool(self.flops[1:]) and all(cost >= 0 for cost in self.flops[1:])

    @property
    def flops_done(self) -> float:
        return float(sum(count * cost for count, cost in zip(self.counts[1:], self.flops[1:]) if cost > 0))

    @property
    def flops_avoided(self) -> float:
        costs = [max(cost, 0) for cost in self.flops[1:]]
        if self._counts_steps:
            return float(max(0, self.counts[0] - sum(self.counts[1:])) * max(costs, default=0))
        return float(sum((self.counts[0] - count) * cost for count, cost in zip(self.counts[1:], costs)))

    def histogram(self) -> dict[str, float] | None:
        """Parts of the opportunities by what became of them; None for kinds that decide once."""
        taken, total = self.counts[1:], self.counts[0]
        if self.kind == CHAINED and total:
            # Learner n counts the rows with k > n, so that rows with k = n are the difference.
            reached = [total, *taken, 0]
            return {str(k): (reached[k] - reached[k + 1]) / total for k in range(len(taken) + 1)}
        if self.kind == STEPPED and taken and taken[0]:
            # Step n counts the rows that it ran for, so that those it was the last for are the difference.
            reached = [*taken, 0]
            # A last counter of another name has all later steps in it, too.
            open_end = not re.fullmatch(r"step \d+", self.counters[-1])
            names = [f"{n + 1}{'+' * (open_end and n + 1 == len(taken))}" for n in range(len(taken))]
            return {name: (reached[n] - reached[n + 1]) / taken[0] for n, name in enumerate(names)}
        if self.kind == ROUTED and total:
            return {name.removeprefix("expert "): count / total for name, count in zip(self.counters[1:], taken)}
        return None


@dataclass
class Point:
    """The runs with one setting of the budgets."""

    budgets: dict
    seconds: list[float] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.seconds) < 2:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high

    @property
    def flops_done(self) -> float:
        return sum(site.flops_done for site in self.sites)

    @property
    def flops_avoided(self) -> float:
        return sum(site.flops_avoided for site in self.sites)

    @property
    def flops_part(self) -> float | None:
        total = self.flops_done + self.flops_avoided
        return self.flops_done / total if total else None


@dataclass
class Statistics:
    points: list[Point]  # the first is the one that sites are shown for

    @property
    def base(self) -> Point:
        return self.points[0]

    def sweeps(self) -> dict[str, list[Point]]:
        """For each budget of more than one value, the points that differ from the first in it alone, in order of value."""
        found = {}
        for name in self.base.budgets:
            along = [p for p in self.points if all(p.budgets.get(n) == v for n, v in self.base.budgets.items() if n != name)]
            if len(along) > 1:
                found[name] = sorted(along, key=lambda p: p.budgets[name])
        return found


def read(stats: dict) -> Statistics:
    """Sums the runs of each setting of the budgets. ValueError says what is missing or does not fit."""
    missing = [key for key in ("sites", "runs") if key not in stats]
    if missing:
        raise ValueError(f"the statistics have no `{missing[0]}`")
    if not stats["runs"]:
        raise ValueError("the statistics have no runs")
    points: dict[tuple, Point] = {}
    for run in stats["runs"]:
        key = tuple(sorted(run.get("budgets", {}).items()))
        if key not in points:
            sites = [Site(s["name"], s["kind"], list(s["counters"]), list(s["flops"])) for s in stats["sites"]]
            points[key] = Point(dict(run.get("budgets", {})), sites=sites)
        points[key].seconds.append(run["seconds"])
        for site in points[key].sites:
            site.add(run["sites"][site.name])
    return Statistics(list(points.values()))


def exits(sites: list[Site]) -> list[tuple[str, float]]:
    """Where runs ended: at which exit, or behind the last. Empty where exits do not follow each other."""
    chain = [site for site in sites if site.kind == EXITS and site.counts[0]]
    if not chain or any(later.counts[0] > former.counts[1] for former, later in itertools.pairwise(chain)):
        return []
    total = chain[0].counts[0]
    ended = [(site.name, (site.counts[0] - site.counts[1]) / total) for site in chain]
    return [*ended, ("the end", chain[-1].counts[1] / total)]
