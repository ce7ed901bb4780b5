"""Rows of the comparison as data and as a table; ``__main__`` writes both."""

from __future__ import annotations

import platform

from benchmarks.peers.engine import OURS, TITLES
from benchmarks.peers.row import ratio_to_best
from cyconv.table import Table

HEAD = {"network": "network", "batch": "batch", "threads": "threads", "ratio": "ratio", "best_other": "best other"}


def cpu_name() -> str:
    """The processor's own name, where the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown CPU")
    except OSError:
        return "unknown CPU"


def results(rows: list[dict], limit: str | None) -> dict:
    """What goes to the JSON file: the machine, the engines with versions and settings, the rows."""
    engines: dict[str, dict] = {}
    for row in rows:
        for key, record in row["engines"].items():
            if "version" in record:
                engines.setdefault(key, {name: record[name] for name in ("version", "setting", "limitable")})
    slim = [{**row, "engines": {key: without(record) for key, record in row["engines"].items()}} for row in rows]
    if limit:
        for row in slim:
            kept = {key: record for key, record in row["engines"].items() if engines.get(key, {}).get("limitable")}
            row["ratio_limited"] = ratio_to_best(kept)["ratio"]
    isa = next((row["isa"] for row in rows if row["isa"]), "unknown")
    machine = {"cpu": cpu_name(), "isa": isa, "limit": limit, "system": platform.platform(terse=True)}
    return {"machine": machine, "engines": engines, "rows": slim}


def without(record: dict) -> dict:
    """A record of a row without what is the same in all rows."""
    return {name: value for name, value in record.items() if name not in ("version", "setting", "limitable")}


def figures(value: float) -> str:
    """Milliseconds with about three digits."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def cell(record: dict | None, failures: list[str], title: str) -> str:
    """Median and minimum of an engine, or the number of the note that says why there is none."""
    if record is None:
        return "–"
    if "failed" not in record:
        return f"{figures(record['median_ms'])} ({figures(record['min_ms'])})"
    reason = f"{title}: {record['failed']}"
    if reason not in failures:
        failures.append(reason)
    return f"failed, note {failures.index(reason) + 1}"


def report_table(found: dict) -> Table:
    """The table of :func:`results`."""
    keys = [key for key in TITLES if any(key in row["engines"] for row in found["rows"])]
    failures: list[str] = []
    records = []
    for row in found["rows"]:
        record = {name: row[name] for name in ("network", "batch", "threads")}
        record["ratio"] = None if row["ratio"] is None else float(f"{row['ratio']:.2f}")
        record["ratio_limited"] = None if row.get("ratio_limited") is None else float(f"{row['ratio_limited']:.2f}")
        record["best_other"] = TITLES.get(row["best_other"])
        records.append(record | {key: cell(row["engines"].get(key), failures, TITLES[key]) for key in keys})
    columns = dict(HEAD)
    machine, engines = found["machine"], found["engines"]
    notes = [
        f"{machine['cpu']}, {machine['isa']}, float32. Ratio: median of the best other engine ÷ median of cyconv; above 1 cyconv is faster."
    ]
    notes[0] += " Cells: median (minimum) in ms of calls that alternate in one process."
    notes.append("; ".join(f"{TITLES[key]} {engines[key]['version']} ({engines[key]['setting']})" for key in keys if key in engines) + ".")
    if machine["limit"]:
        columns |= {"ratio_limited": f"ratio to those kept to {machine['limit']}"}
        free = [TITLES[key] for key in keys if key in engines and not engines[key]["limitable"]]
        notes.append(f"Not to be kept to {machine['limit']}, so with all that the CPU has: {', '.join(free) or 'none'}.")
    notes += [f"Note {i + 1}: {reason}" for i, reason in enumerate(failures)]
    return Table(records, columns | {key: f"{TITLES[key]}" + (" ms" if key == OURS else "") for key in keys}, notes)
