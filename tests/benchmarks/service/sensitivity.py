"""The smallest slowdown that the service finds: ``python -m tests.benchmarks.service.sensitivity [HISTORIES]``.

A made-up series with normal noise becomes slower at one commit. asv's own detector looks at it after each new commit; what it reports goes
through the service's own confirmation and search. Found means: within `AFTER` commits, and named at exactly the right one.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterable
from types import SimpleNamespace

from asv.step_detect import detect_regressions, detect_steps

from benchmarks.service.compare import Comparison, summary
from benchmarks.service.noise import LARGEST
from benchmarks.service.regressions import Regressions

BEFORE, AFTER = 30, 10
PAIRS, THRESHOLD = 12, 0.05
NOISES = (0.002, 0.005, 0.01, 0.02, 0.03)
SLOWDOWNS = (0.06, 0.08, 0.10, 0.12, 0.15, 0.20, 0.25, 0.30, 0.40)
ENOUGH = 0.95


class History(Regressions):
    """A series in which commit `BEFORE` and all after it are slower by `slowdown`; measuring it is made up, deciding is real."""

    def __init__(self, noise: float, slowdown: float, seed: str):
        self.rng = random.Random(seed)
        self.noise, self.slowdown = noise, slowdown
        self.limit = min(LARGEST, max(THRESHOLD, 4 * noise))
        self.config = SimpleNamespace(pairs=PAIRS)

    def measured(self, commit: str) -> float:
        """One value of a commit."""
        return (1 + self.slowdown * (int(commit) >= BEFORE)) * self.rng.lognormvariate(0, self.noise)

    def slower(self, base: str, head: str, keys: Iterable[str]) -> dict[str, Comparison]:
        found = summary([(self.measured(base), self.measured(head)) for _ in range(PAIRS)], [])
        return dict.fromkeys(keys, found) if found.slower(self.limit) else {}

    def named(self) -> int | None:
        """The first commit that is confirmed, as the branch grows; None when there is none."""
        commits = [str(i) for i in range(BEFORE + AFTER)]
        values = list(map(self.measured, commits))
        asked: set[tuple[int, int]] = set()
        for end in range(BEFORE, BEFORE + AFTER + 1):
            for first, last, _, _ in detect_regressions(detect_steps(values[:end]), self.limit)[2] or []:
                if (first, last) not in asked:
                    asked.add((first, last))
                    _, high, found = self.locate(["series"], commits[:end], first, last)
                    if found:
                        return high
        return None


def share(noise: float, slowdown: float, histories: int) -> float:
    """How often the right commit is named; without a slowdown, how often any is."""
    named = [History(noise, slowdown, f"{noise} {slowdown} {i}").named() for i in range(histories)]
    return statistics.fmean(name == BEFORE if slowdown else name is not None for name in named)


def main(histories: int) -> None:
    """Print the table."""
    print("| noise of a run | " + " | ".join(f"+{100 * s:.0f} %" for s in SLOWDOWNS) + " | smallest found ≥ 95 % | false alerts |")
    print("|---" * (len(SLOWDOWNS) + 3) + "|")
    for noise in NOISES:
        shares = [share(noise, slowdown, histories) for slowdown in SLOWDOWNS]
        smallest = next((f"{100 * s:.0f} %" for i, s in enumerate(SLOWDOWNS) if min(shares[i:]) >= ENOUGH), "–")
        cells = [f"{100 * noise:.1f} %", *(f"{100 * found:.0f}" for found in shares), smallest, f"{100 * share(noise, 0, histories):.1f} %"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
