"""The front page: the newest state at a glance, readable on a phone, without JavaScript.

`runner` gathers the data when it publishes, `server` renders the page with the health of the moment; `front.html` is its template.
"""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

from benchmarks.service.compare import Target
from benchmarks.service.files import read_json
from benchmarks.service.mirror import Mirror
from benchmarks.service.notify import TEMPLATES, shown
from benchmarks.service.store import Store

BEFORE = 10  # measured commits that the newest one is compared with
TOP = 8


def gather(store: Store, mirror: Mirror, commits: list[str], machine: str, reference: str) -> dict[str, Any]:
    """The newest measured commit, and each value's ratio to its median over the measured commits before; not those of references."""
    measured = [commit for commit in commits if store.results(commit, machine)]
    if not measured:
        return {}
    newest = mirror.describe(measured[-1])
    earlier: dict[str, list[float]] = {}
    for commit in measured[-1 - BEFORE : -1]:
        for key, value in values(store, commit, machine).items():
            earlier.setdefault(key, []).append(value)
    changes = []
    for key, value in values(store, newest.sha, machine).items():
        before = statistics.median(earlier.get(key, [0.0]))
        env, entry = key.split("|", 1)
        if before > 0 and not (reference and re.search(reference, entry)):
            facts = {"entry": entry, "env": env, "unit": store.unit(entry)}
            changes.append({**facts, "before": before, "after": value, "ratio": value / before})
    return {"commit": newest.sha, "subject": newest.subject, "date": newest.date, "changes": sorted(changes, key=lambda c: c["ratio"])}


def values(store: Store, commit: str, machine: str) -> dict[str, float]:
    """The values of a commit by series."""
    results = store.results(commit, machine)
    return {Target(entry, env).key: value for env, result in results.items() for entry, value in result.values().items()}


def quantity(value: float, unit: str) -> str:
    """A value with three digits and a unit that fits."""
    scales = {
        "seconds": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
        "bytes": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
    }
    for factor, name in scales.get(unit, ()):
        if value >= factor:
            return f"{value / factor:.3g} {name}"
    return f"{value:.3g} {'' if unit == 'unit' else unit}".strip()


def moment(stamp: str | None) -> str:
    """A time for people, to the minute."""
    return stamp[:16].replace("T", " ") if stamp else "never"


def peers_rows(folder: Path) -> list[dict]:
    """How many times as fast as the best other engine, for each row of the comparison, with a line through all its snapshots."""
    series: dict[tuple, list[dict]] = {}
    for snapshot in map(read_json, sorted(folder.glob("*.json"))):
        for row in (snapshot or {}).get("rows", []):
            if row.get("ratio"):
                series.setdefault((row["network"], row["batch"], row["threads"]), []).append(row)
    rows = []
    for found in series.values():
        ratios = [row["ratio"] for row in found]
        low, high = min(*ratios, 1.0), max(*ratios, 1.0)
        y = [26 - 24 * (ratio - low) / (high - low or 1) for ratio in (*ratios, 1.0)]
        x = [100 * i / max(1, len(ratios) - 1) for i in range(len(ratios))]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=False))
        rows.append({**found[-1], "line": line, "one": f"{y[-1]:.1f}"})
    return rows


def render(front: dict, status: dict, reasons: list[str], store: Store) -> str:
    """The page."""
    changes = front.get("changes", [])
    records = [{**record, "shown": shown(record)[:TOP]} for record in store.records()]
    return TEMPLATES.get_template("front.html").render(
        title=status.get("project", "benchmarks"),
        front=front,
        status=status,
        reasons=reasons,
        before=BEFORE,
        quantity=quantity,
        moment=moment,
        open=[record for record in records if record["status"] == "confirmed"][::-1],
        resolved=[record for record in records if record["status"] != "confirmed"][-5:],
        slower=[c for c in reversed(changes) if c["ratio"] > 1][:TOP],
        faster=[c for c in changes if c["ratio"] < 1][:TOP],
        peers=peers_rows(store.path / "peers"),
    )
