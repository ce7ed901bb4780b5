"""Two commits measured in turn, and how sure their ratio is; one commit against itself, and how much it scatters.

Used by `regressions` (is it true?) and `runner` (the weekly A/A run). A pair is base and head measured right after one another, so that
what changes slowly on the machine cancels; in every other pair the head goes first.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service.asv import Asv, Result

CONFIDENCE = 0.99


@dataclass(frozen=True)
class Target:
    """One series: a benchmark with its parameters, in one environment."""

    entry: str
    env: str

    @property
    def key(self) -> str:
        """The series as a word."""
        return f"{self.env}|{self.entry}"


@dataclass(frozen=True)
class Comparison:
    """Head against base: medians, the ratio with its interval, and how the reference moved meanwhile."""

    before: float
    after: float
    ratio: float
    low: float
    high: float
    confidence: float
    pairs: int
    reference: float | None  # the references' median ratio, head to base

    def slower(self, threshold: float) -> bool:
        """Whether head is surely slower, and by at least half of what counts for this benchmark."""
        return self.low > 1 and self.ratio >= 1 + threshold / 2


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """A confidence interval of the median and its exact confidence, from order statistics: nothing is assumed of the noise.

    With the values sorted, the median lies between the k-th from either end unless fewer than k values fall on one side of it. The
    probability of that is 2·P(B < k) with B binomial(n, 1/2). k is the largest that keeps `confidence`, at least 1.
    """
    n = len(values)
    outside = 2 * 0.5**n
    k = 1
    while (more := outside + 2 * math.comb(n, k) * 0.5**n) <= 1 - confidence:
        outside, k = more, k + 1
    ordered = sorted(values)
    return ordered[k - 1], ordered[n - k], 1 - outside


def drift(references: dict[str, float], level: dict[str, float]) -> float:
    """By how much the references are off their level, as a ratio: the median over all of them; 1 when nothing is known."""
    ratios = [value / level[key] for key, value in references.items() if level.get(key, 0) > 0 and value > 0]
    return statistics.median(ratios) if ratios else 1.0


def references_of(result: Result, pattern: str) -> dict[str, float]:
    """The values of the references in a result, by series."""
    if not pattern:
        return {}
    return {Target(entry, result.env).key: value for entry, value in result.values().items() if re.search(pattern, entry)}


def measure_pair(asv: Asv, order: list[str], targets: Sequence[Target], out: Path) -> dict[str, tuple[dict, dict]]:
    """Measure two commits once: values and references by series, for each commit."""
    pattern = asv.config.reference
    bench = [f"^{re.escape(entry)}$" for entry in dict.fromkeys(target.entry for target in targets)]
    asv.run(order, out, bench + ([pattern] if pattern else []), dict.fromkeys(target.env for target in targets))
    found = {}
    for commit in order:
        values: dict[str, float] = {}
        references: dict[str, float] = {}
        for result in asv.results(out, commit):
            values |= {Target(entry, result.env).key: value for entry, value in result.values().items()}
            references |= references_of(result, pattern)
        found[commit] = (values, references)
    return found


def compare(asv: Asv, base: str, head: str, targets: Sequence[Target], out: Path) -> dict[str, Comparison]:
    """Measure base and head in turn; a comparison for each series that both give.

    A pair during which the reference moved by more than `max_drift` is thrown away and repeated; there are at most twice as many
    pairs as asked for.
    """
    config = asv.config
    pairs: dict[str, list[tuple[float, float]]] = {target.key: [] for target in targets}
    moved: list[float] = []
    failed = 0
    for turn in range(2 * config.pairs):
        order = [base, head] if turn % 2 == 0 else [head, base]
        found = measure_pair(asv, order, targets, out)
        (before, level), (after, references) = found[base], found[head]
        change = drift(references, level)
        measured = [key for key in pairs if before.get(key, 0) > 0 and after.get(key, 0) > 0]
        failed += not measured
        if failed == 2:
            break
        if measured and abs(change - 1) <= config.max_drift:
            moved.append(change)
            for key in measured:
                pairs[key].append((before[key], after[key]))
        if max(map(len, pairs.values())) >= config.pairs:
            break
    # Fewer than 8 pairs cannot reach 99 %: 1 − 2·(1/2)⁸ is 99.2 %.
    return {key: summary(found, moved if config.reference else []) for key, found in pairs.items() if len(found) >= 8}


def summary(pairs: Sequence[tuple[float, float]], moved: Sequence[float]) -> Comparison:
    """The comparison that the pairs of one series amount to."""
    ratios = [after / before for before, after in pairs]
    low, high, confidence = interval(ratios)
    before, after = (statistics.median(side) for side in zip(*pairs, strict=True))
    reference = statistics.median(moved) if moved else None
    return Comparison(before, after, statistics.median(ratios), low, high, confidence, len(pairs), reference)


def scatter(values: Sequence[float]) -> float:
    """The relative scatter of repeated values, as a standard deviation that an outlier does not change: 1.4826·MAD / median."""
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(value - middle) for value in values) / abs(middle) if middle else 0.0
