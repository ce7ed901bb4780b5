"""From asv's list of regressions to one alert: gaps filled, measured again, one commit named, told once, and resolved once.

asv names a series and two commits between which it became slower. The commits between them are measured first. Then base and culprit are
measured in turn; when that shows nothing, the surroundings are searched, since a noisy series may name a neighbour. Used by `runner`.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shlex
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.service.asv import Asv
from benchmarks.service.compare import Comparison, Target, compare
from benchmarks.service.config import Config
from benchmarks.service.files import read_json
from benchmarks.service.mirror import Mirror
from benchmarks.service.store import Store

log = logging.getLogger(__name__)
AROUND = 3  # commits on either side that are searched when the named one is not slower
PATIENCE = 5  # commits to be measured before the same question is asked again
TRIES = 3


@dataclass(frozen=True)
class Suspect:
    """A step that asv reports: a series, the last commit before it and the first one after it."""

    target: Target
    base: str
    culprit: str
    link: str

    @property
    def key(self) -> str:
        """The name under which the runner remembers what came of it."""
        return f"{self.target.key}@{self.culprit}"


class Regressions:
    """All steps of the life of a regression."""

    def __init__(self, config: Config, mirror: Mirror, asv: Asv, store: Store):
        self.config = config
        self.mirror = mirror
        self.asv = asv
        self.store = store
        self.out = config.data / "work" / "compare"

    def suspects(self, site: Path, commits: list[str]) -> list[Suspect]:
        """What asv reports of the series that raise alerts, as far as the commits are among those that are measured."""
        hashes = (read_json(site / "asv" / "index.json") or {}).get("revision_to_hash", {})
        found = []
        for entry, _, params, _, _, _, steps in (read_json(site / "asv" / "regressions.json") or {}).get("regressions", []):
            if not re.search(self.config.alert, entry) or (self.config.reference and re.search(self.config.reference, entry)):
                continue
            for first, last, _, _ in steps:
                culprit = hashes.get(str(last))
                if culprit not in commits[1:]:
                    continue
                base = commits[commits.index(culprit) - 1] if first is None else hashes.get(str(first))
                results = self.store.results(culprit, self.asv.machine).values()
                env = next((result.env for result in results if result.matches(params)), None)
                if env and base in commits:
                    link = f"/asv/index.html#{entry.split('(')[0]}?commits={culprit}"
                    found.append(Suspect(Target(entry, env), base, culprit, link))
        log.debug("suspects", extra={"count": len(found), "site": str(site)})
        return found

    def pending(self, suspects: list[Suspect], state: dict, measured: int) -> list[Suspect]:
        """The suspects about which something is still to be found out."""
        memory = state.get("suspects", {})

        def asks(suspect: Suspect) -> bool:
            known = memory.get(suspect.key)
            return known is None or (not known["confirmed"] and known["tries"] < TRIES and measured >= known["next"])

        return [suspect for suspect in suspects if asks(suspect)]

    def gap(self, suspects: list[Suspect], commits: list[str], waiting: list[str]) -> str | None:
        """The commit to measure next to make a suspect's range smaller: the middle of those that wait inside it."""
        for suspect in suspects:
            inside = commits[commits.index(suspect.base) + 1 : commits.index(suspect.culprit)]
            if open_ones := [commit for commit in inside if commit in waiting]:
                return open_ones[len(open_ones) // 2]
        return None

    def confirm(self, suspects: list[Suspect], commits: list[str], state: dict, measured: int) -> None:
        """Measure the first suspect's commits again, for all series that share them, and keep what comes of it."""
        base, culprit = suspects[0].base, suspects[0].culprit
        group = [suspect for suspect in suspects if (suspect.base, suspect.culprit) == (base, culprit)]
        log.info("confirm", extra={"base": base, "commit": culprit, "series": len(group)})
        confirmed = self.slower(base, culprit, group)
        rest = [suspect for suspect in group if suspect.target.key not in confirmed]
        named = self.record(base, culprit, group, confirmed, commits) if confirmed else None
        memory = state.setdefault("suspects", {})
        for suspect in group:
            if suspect.target.key in confirmed:
                memory[suspect.key] = {"confirmed": True, "record": named}
        if rest:
            elsewhere = self.search(base, culprit, rest, commits)
            for suspect in rest:
                tries = memory.get(suspect.key, {}).get("tries", 0) + 1
                found = elsewhere.get(suspect.target.key)
                memory[suspect.key] = {"confirmed": bool(found), "record": found, "tries": tries, "next": measured + PATIENCE}
                if not found:
                    log.info("not confirmed", extra={"series": suspect.target.key, "commit": culprit})
        self.save(state, f"Confirm {culprit[:8]}: {len(confirmed)} of {len(group)} series are slower")

    def slower(self, base: str, head: str, group: list[Suspect]) -> dict[str, Comparison]:
        """The series of the group in which head is surely slower than base."""
        found = compare(self.asv, base, head, [suspect.target for suspect in group], self.out)
        for key, comparison in found.items():
            log.info("compared", extra={"series": key, "base": base, "commit": head, **asdict(comparison)})
        return {key: comparison for key, comparison in found.items() if comparison.slower(self.threshold(key))}

    def search(self, base: str, culprit: str, group: list[Suspect], commits: list[str]) -> dict[str, str]:
        """Look for the slowdown around the commit that asv named, halving the range; the records of the series found."""
        low = max(0, commits.index(base) - AROUND)
        high = min(len(commits) - 1, commits.index(culprit) + AROUND)
        found = self.slower(commits[low], commits[high], group)
        group = [suspect for suspect in group if suspect.target.key in found]
        while group and high - low > 1:
            middle = (low + high) // 2
            below = self.slower(commits[low], commits[middle], group[:1])
            low, high = (low, middle) if below else (middle, high)
        if not group:
            return {}
        confirmed = self.slower(commits[low], commits[high], group)
        if not confirmed:
            return {}
        record = self.record(commits[low], commits[high], group, confirmed, commits)
        return dict.fromkeys(confirmed, record)

    def threshold(self, key: str) -> float:
        """The slowdown that counts for a series: the configured one, or more where A/A runs showed more noise."""
        return max(self.config.threshold, thresholds(self.store, self.config).get(key.split("|", 1)[1], 0.0))

    def record(self, base: str, culprit: str, group: list[Suspect], found: dict[str, Comparison], commits: list[str]) -> str:
        """Keep what was confirmed under the commit's name, with an alert to send when the commit is new; the record's name."""
        name = hashlib.sha256(f"{self.config.repo} {culprit}".encode()).hexdigest()[:16]
        path = self.store.path / "regressions" / f"{name}.json"
        inside = commits[commits.index(base) + 1 : commits.index(culprit)]
        commit = self.mirror.describe(culprit)
        fresh = {"id": name, "status": "confirmed", "found": now(), "commit": culprit, "parent": base, "unbuildable": inside}
        fresh |= {"subject": commit.subject, "author": commit.author, "date": commit.date, "series": {}, "events": []}
        fresh["reproduce"] = reproduce(self.config, base, culprit, group[0].target)
        record = read_json(path) or fresh
        for suspect in group:
            if suspect.target.key in found:
                facts = {"entry": suspect.target.entry, "env": suspect.target.env, "link": self.config.url + suspect.link}
                facts |= {"unit": self.store.unit(suspect.target.entry), "resolved": ""}
                record["series"][suspect.target.key] = facts | asdict(found[suspect.target.key])
        if not any(event["kind"] == "regression" for event in record["events"]):
            record["events"].append({"kind": "regression", "at": now(), "delivered": "", "note": ""})
            log.warning("regression", extra={"commit": culprit, "subject": commit.subject, "series": sorted(record["series"])})
        self.store.put({path: record}, f"Regression in {culprit[:8]}: {commit.subject}")
        return name

    def ended(self, suspects: list[Suspect], measured: int) -> tuple[dict, list[Target]] | None:
        """An open regression some of whose series asv no longer reports, and these series; what left the branch or the suite is closed."""
        reported = {suspect.target.key for suspect in suspects}
        known = self.store.benchmarks()
        for record in self.store.records():
            if record["status"] != "confirmed":
                continue
            left = {key: series for key, series in record["series"].items() if series["entry"].split("(")[0] in known}
            unresolved = {key: series for key, series in left.items() if not series["resolved"]}
            if not self.mirror.contains(record["commit"]):
                self.close(record, "the commit left the branch")
            elif not unresolved:
                self.close(record, "nothing that is still measured is slower")
            else:
                quiet = {key: s for key, s in unresolved.items() if key not in reported and measured >= s.get("next", 0)}
                if quiet:
                    return record, [Target(series["entry"], series["env"]) for series in quiet.values()]
        return None

    def resolve(self, record: dict, targets: list[Target], newest: str, measured: int) -> None:
        """Measure a regression's base and the newest commit in turn: not slower any more, or asked again later."""
        found = compare(self.asv, record["parent"], newest, targets, self.out)
        for target in targets:
            series, again = record["series"][target.key], found.get(target.key)
            if again and again.ratio < 1 + min(self.threshold(target.key), series["ratio"] - 1) / 2:
                series["resolved"] = newest
            else:
                series["next"] = measured + PATIENCE
        if all(series["resolved"] for series in record["series"].values()):
            self.close(record, f"measured again at {newest[:8]}")
        else:
            self.store.put({self.store.record_path(record): record}, f"Look again at {record['commit'][:8]}")

    def close(self, record: dict, note: str) -> None:
        """Mark a regression as resolved, with one alert to send."""
        record["status"] = "resolved"
        record["events"].append({"kind": "resolved", "at": now(), "delivered": "", "note": note})
        log.warning("resolved", extra={"commit": record["commit"], "note": note})
        self.store.put({self.store.record_path(record): record}, f"Resolved: {record['commit'][:8]}, {note}")

    def save(self, state: dict[str, Any], message: str) -> None:
        """Keep what the runner must remember."""
        self.store.put({self.store.path / "state.json": state}, message)


def thresholds(store: Store, config: Config) -> dict[str, float]:
    """The slowdown that counts for each entry: four times its scatter in the last A/A run, between `threshold` and one half."""
    runs = sorted((store.path / "noise").glob("*.json"))
    noise = (read_json(runs[-1]) or {}).get("series", {}) if runs else {}
    found: dict[str, float] = {}
    for key, facts in noise.items():
        entry = key.split("|", 1)[1]
        found[entry] = max(found.get(entry, 0.0), min(0.5, max(config.threshold, 4 * facts["scatter"])))
    return found


def reproduce(config: Config, base: str, culprit: str, target: Target) -> str:
    """The command that shows the regression in a clone of the repository."""
    chosen = ["--config", config.asv_config, "-E", target.env, "--interleave-rounds", "--bench", f"^{re.escape(target.entry)}$"]
    return shlex.join(["asv", "continuous", *chosen, base, culprit])


def now() -> str:
    """The time, in UTC, as feeds want it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
