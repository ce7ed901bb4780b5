"""A commit measured against itself, again and again: how much each series scatters, and from what slowdown on it counts. Used by `runner`.

The runs lie in `results/noise`, one file for each time that this was done; all of one make up the thresholds, an unfinished one goes on.
"""

from __future__ import annotations

import calendar
import statistics
import time
from collections.abc import Sequence

from benchmarks.service.asv import Asv, AsvError, entry_of
from benchmarks.service.config import Config
from benchmarks.service.files import now
from benchmarks.service.store import Store

LARGEST = 0.5  # threshold: what is slower by half is told, however noisy


def scatter(values: Sequence[float]) -> float:
    """The relative scatter of repeated values, as a standard deviation that an outlier does not change: 1.4826·MAD / median."""
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(value - middle) for value in values) / abs(middle) if middle else 0.0


def age(stamp: str | None) -> float:
    """Seconds since a time that `now` wrote; infinite when there is none."""
    return time.time() - calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")) if stamp else float("inf")


def scatters(store: Store, config: Config) -> dict[str, float]:
    """The scatter of each series in the newest complete measurement."""
    complete = [found for found in store.snapshots("noise") if len(found["runs"]) >= config.aa_runs]
    series: dict[str, list[float]] = {}
    for run in complete[-1]["runs"] if complete else []:
        for key, value in run.items():
            series.setdefault(key, []).append(value)
    return {key: scatter(values) for key, values in series.items() if len(values) > 3}


def thresholds(store: Store, config: Config) -> dict[str, float]:
    """The slowdown that counts for each entry: four times its scatter, at least `threshold`."""
    found: dict[str, float] = {}
    for key, value in scatters(store, config).items():
        entry = entry_of(key)
        found[entry] = max(found.get(entry, config.threshold), min(LARGEST, 4 * value))
    return found


def due(store: Store, config: Config) -> bool:
    """Whether it is time for another run."""
    known = store.snapshots("noise")
    if not config.aa_days:
        return False
    return not known or len(known[-1]["runs"]) < config.aa_runs or age(known[-1]["at"]) > 86400 * config.aa_days


def measure(asv: Asv, store: Store, done: list[str]) -> None:
    """One more of the runs of a commit against itself: of the one that was begun with, else of the newest that is measured."""
    last = store.snapshots("noise")[-1:]
    going_on = last and last[0]["commit"] in done and len(last[0]["runs"]) < asv.config.aa_runs
    found = last[0] if going_on else {"at": now(), "commit": done[-1], "runs": []}
    commit, out = found["commit"], asv.config.data / "work" / "noise"
    asv.run([commit], out)
    if not (values := asv.values(out, commit)):
        raise AsvError(f"no result of {commit[:8]}, which was measured before; see logs/run-{commit[:8]}.log")
    found["runs"].append(values)
    store.put({store.path / "noise" / f"{found['at'].replace(':', '')}.json": found}, f"Noise, measured with {commit[:8]}")
