"""Two commits measured in turn, and how sure their ratio is. Used by `regressions`.

A pair is base and head measured right after one another, so that what changes slowly on the machine cancels; in every other pair the
head goes first. Each measurement is a run of asv of its own, so it serves all kinds of benchmarks.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import quantile_test

from benchmarks.service.asv import Asv, entry_of
from benchmarks.service.schedule import drift

CONFIDENCE = 0.99


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


def references_of(values: dict[str, float], pattern: str) -> dict[str, float]:
    """Those of the values that measure the machine."""
    return {key: value for key, value in values.items() if pattern and re.search(pattern, entry_of(key))}


def compare(asv: Asv, base: str, head: str, keys: Iterable[str], out: Path) -> dict[str, Comparison]:
    """Measure base and head in turn; a comparison for each series that both give.

    A pair during which the reference moved by more than `max_drift` is thrown away and repeated; there are at most twice as many
    pairs as asked for.
    """
    config = asv.config
    pairs: dict[str, list[tuple[float, float]]] = {key: [] for key in keys}
    bench = [f"^{re.escape(entry)}$" for entry in sorted(set(map(entry_of, pairs)))] + [config.reference] * bool(config.reference)
    envs = sorted({key.split("|", 1)[0] for key in pairs})
    moved: list[float] = []
    failed = 0
    for turn in range(2 * config.pairs):
        order = [base, head] if turn % 2 == 0 else [head, base]
        asv.run(order, out, bench, envs)
        before, after = (asv.values(out, commit) for commit in (base, head))
        change = drift(references_of(after, config.reference), references_of(before, config.reference))
        measured = [key for key in pairs if before.get(key, 0) > 0 and after.get(key, 0) > 0]
        failed += not measured
        if measured and abs(change - 1) <= config.max_drift:
            moved.append(change)
            for key in measured:
                pairs[key].append((before[key], after[key]))
        if failed == 2 or max(map(len, pairs.values())) >= config.pairs:
            break
    return {key: summary(found, moved if config.reference else []) for key, found in pairs.items() if len(found) >= 8}


def summary(pairs: Sequence[tuple[float, float]], moved: Sequence[float]) -> Comparison:
    """The comparison that the pairs of one series amount to; the interval of the median assumes nothing of the noise."""
    ratios = [after / before for before, after in pairs]
    low, high = quantile_test(ratios, p=0.5).confidence_interval(CONFIDENCE)
    before, after = (statistics.median(side) for side in zip(*pairs, strict=True))
    reference = statistics.median(moved) if moved else None
    return Comparison(before, after, statistics.median(ratios), float(low), float(high), CONFIDENCE, len(pairs), reference)
