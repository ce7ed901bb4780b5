"""The front page: the newest state at a glance, readable on a phone, without JavaScript.

`runner` gathers the data when it publishes, `server` renders the page with the health of the moment; `front.html` is its template.
"""

from __future__ import annotations

import json
import statistics
from contextlib import suppress
from typing import Any

from benchmarks.service.asv import setting_of
from benchmarks.service.compare import references_of
from benchmarks.service.config import Config
from benchmarks.service.mirror import Mirror
from benchmarks.service.notify import TEMPLATES, shown
from benchmarks.service.regressions import is_open
from benchmarks.service.store import Store

BEFORE = 10  # measured commits that the newest one is compared with
TOP = 8
COMPARISONS = 8  # with other engines, the newest
VISIBLE = 0.02  # a smaller change is not coloured
SCALES = {
    "seconds": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "bytes": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
}


def gather(store: Store, mirror: Mirror, commits: list[str], config: Config) -> dict[str, Any]:
    """The newest measured commit, each value's ratio to its median over those before, but for references, and the other engines."""
    measured = [commit for commit in commits if store.results(commit)]
    if not measured:
        return {}
    earlier: dict[str, list[float]] = {}
    for commit in measured[-1 - BEFORE : -1]:
        for key, value in store.values(commit).items():
            earlier.setdefault(key, []).append(value)
    settings = {env: setting_of(result) for env, result in store.results(measured[-1]).items()}
    changes = []
    for key, value in store.values(measured[-1]).items():
        before = statistics.median(earlier.get(key, [0.0]))
        env, entry = key.split("|", 1)
        if before > 0 and not references_of({key: value}, config.reference):
            facts = {"entry": entry, "setting": settings[env], "unit": store.unit(entry)}
            changes.append({**facts, "before": before, "after": value, "ratio": value / before})
    peers = comparisons(mirror, config.peers) if config.peers else []
    return {**mirror.describe(measured[-1]), "changes": sorted(changes, key=lambda c: c["ratio"]), "peers": peers}


def comparisons(mirror: Mirror, path: str) -> list[dict[str, Any]]:
    """The newest comparisons with other engines that were committed, oldest first: commit, day, processor, rows."""
    found = []
    for commit, day, text in mirror.versions(path)[-COMPARISONS:]:
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # by whoever measured it, in whatever form
            peers = json.loads(text)
            rows = [{name: row[name] for name in ("network", "batch", "threads", "ratio", "best_other")} for row in peers["rows"]]
            found.append({"commit": commit, "day": day, "cpu": peers["machine"]["cpu"], "rows": rows})
    return found


def quantity(value: float, unit: str) -> str:
    """A value with three digits and a unit that fits."""
    for factor, name in SCALES.get(unit, ()):
        if value >= factor:
            return f"{value / factor:.3g} {name}"
    return f"{value:.3g} {'' if unit == 'unit' else unit}".strip()


def change(facts: dict) -> str:
    """Before and after; a unit that is only a word stands once."""
    before = quantity(facts["before"], facts["unit"] if facts["unit"] in SCALES else "unit")
    return f"{before} → {quantity(facts['after'], facts['unit'])}"


def moment(stamp: str | None) -> str:
    """A time for people, to the minute."""
    return stamp[:16].replace("T", " ") if stamp else "never"


def peers_rows(comparisons: list[dict]) -> list[dict]:
    """The newest row of each network and setting, with the ratios to the best of the other engines over time."""
    series: dict[tuple, list[dict]] = {}
    for row in [row for comparison in comparisons for row in comparison["rows"] if row["ratio"]]:
        series.setdefault((row["network"], row["batch"], row["threads"]), []).append(row)
    return [{**rows[-1], "ratios": [row["ratio"] for row in rows]} for rows in series.values()]


def render(front: dict, status: dict, store: Store) -> str:
    """The page."""
    changes = front.get("changes", [])
    records = [{**record, "shown": shown(record)[:TOP]} for record in store.records()]
    return TEMPLATES.get_template("front.html").render(
        title=status.get("project", "benchmarks"),
        front=front,
        status=status,
        before=BEFORE,
        visible=VISIBLE,
        change=change,
        moment=moment,
        open=[record for record in records if is_open(record)][::-1],
        resolved=[record for record in records if not is_open(record)][-5:],
        slower=[c for c in reversed(changes) if c["ratio"] > 1][:TOP],
        faster=[c for c in changes if c["ratio"] < 1][:TOP],
        comparisons=front.get("peers", []),
        peers=peers_rows(front.get("peers", [])),
        noise=next((found["at"] for found in reversed(store.snapshots("noise"))), None),
    )
