"""From asv's list of regressions to one alert: gaps filled, measured again, one commit named, told once, and resolved once.

asv names a series and two commits between which it became slower. The commits between them are measured first. Then base and culprit are
measured in turn; when that shows nothing, the surroundings are searched, since a noisy series may name a neighbour. Used by `runner`.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.service.asv import Asv, entry_of, name_of, setting_of
from benchmarks.service.compare import Comparison, compare
from benchmarks.service.files import now, read_json
from benchmarks.service.noise import thresholds
from benchmarks.service.store import Store

log = logging.getLogger(__name__)
AROUND = 3  # commits on either side that are searched when the named one is not slower
PATIENCE = 5  # commits to be measured before the same question is asked again


@dataclass(frozen=True)
class Suspect:
    """A step that asv reports: a series, the last commit before it and the first one after it."""

    key: str
    base: str
    culprit: str

    @property
    def name(self) -> str:
        """The name under which the runner remembers what came of it."""
        return f"{self.key}@{self.culprit}"


def belongs(result: dict, graph_params: dict[str, str | None]) -> bool:
    """Whether a result is of the environment that asv describes by these parameters."""
    own = result["params"] | {f"env-{name}": value for name, value in result["env_vars"].items()}
    return all(str(own.get(k) or "") == str(v or "") for k, v in graph_params.items() if k != "branch")


class Regressions:
    """All steps of the life of a regression."""

    def __init__(self, asv: Asv, store: Store):
        self.config = asv.config
        self.mirror = asv.mirror
        self.asv = asv
        self.store = store
        self.out = asv.config.data / "work" / "compare"

    def suspects(self, site: Path, commits: list[str]) -> list[Suspect]:
        """What asv reports of the series that raise alerts, as far as the commits are among those that are measured."""
        hashes = read_json(site / "asv" / "index.json").get("revision_to_hash", {})
        found = []
        for entry, _, params, _, _, _, steps in read_json(site / "asv" / "regressions.json").get("regressions", []):
            if not re.search(self.config.alert, entry) or (self.config.reference and re.search(self.config.reference, entry)):
                continue
            for first, last, _, _ in steps:
                culprit = hashes.get(str(last))
                if culprit not in commits[1:]:
                    continue
                base = commits[commits.index(culprit) - 1] if first is None else hashes.get(str(first))
                env = next((env for env, result in self.store.results(culprit).items() if belongs(result, params)), None)
                if env and base in commits:
                    found.append(Suspect(f"{env}|{entry}", base, culprit))
        return found

    def pending(self, suspects: list[Suspect], state: dict) -> list[Suspect]:
        """The suspects about which something is still to be found out."""
        asked = state.get("asked", {})
        return [s for s in suspects if s.name not in asked or state["measured"] >= (asked[s.name] or float("inf"))]

    def gap(self, suspects: list[Suspect], commits: list[str], waiting: list[str]) -> str | None:
        """The commit to measure next to make a suspect's range smaller: the middle of those that wait inside it."""
        for suspect in suspects:
            inside = commits[commits.index(suspect.base) + 1 : commits.index(suspect.culprit)]
            if open_ones := [commit for commit in inside if commit in waiting]:
                return open_ones[len(open_ones) // 2]
        return None

    def confirm(self, suspects: list[Suspect], commits: list[str], state: dict) -> None:
        """Measure the first suspect's commits again, for all series that share them, and keep what comes of it."""
        base, culprit = suspects[0].base, suspects[0].culprit
        group = {suspect.key: suspect for suspect in suspects if (suspect.base, suspect.culprit) == (base, culprit)}
        low, high, found = self.locate(group, commits, commits.index(base), commits.index(culprit))
        if found:
            self.record(commits[low : high + 1], found)
        for key, suspect in group.items():
            # Each time that nothing was found, the question rests for about as long as the history is.
            state.setdefault("asked", {})[suspect.name] = None if key in found else 2 * state["measured"] + PATIENCE
            if key not in found:
                log.info("not confirmed", extra={"series": key, "commit": culprit})
        self.store.save(state, f"Confirm {culprit[:8]}: {len(found)} of {len(group)} series are slower")

    def locate(self, keys: Iterable[str], commits: list[str], low: int, high: int) -> tuple[int, int, dict[str, Comparison]]:
        """Where series became slower: between the given commits, or around them, halving the range down to neighbours."""
        if found := self.slower(commits[low], commits[high], keys):
            return low, high, found
        low, high = max(0, low - AROUND), min(len(commits) - 1, high + AROUND)
        found = self.slower(commits[low], commits[high], keys)
        while found and high - low > 1:
            middle = (low + high) // 2
            if below := self.slower(commits[low], commits[middle], found):
                high, found = middle, below
            else:
                low, found = middle, self.slower(commits[middle], commits[high], found)
        return low, high, found

    def slower(self, base: str, head: str, keys: Iterable[str]) -> dict[str, Comparison]:
        """The series in which head is surely slower than base."""
        found = compare(self.asv, base, head, keys, self.out)
        for key, comparison in found.items():
            log.info("compared", extra={"series": key, "base": base, "commit": head, **asdict(comparison)})
        return {key: comparison for key, comparison in found.items() if comparison.slower(self.threshold(key))}

    def threshold(self, key: str) -> float:
        """The slowdown that counts for a series: the configured one, or more where A/A runs showed more noise."""
        return thresholds(self.store, self.config).get(entry_of(key), self.config.threshold)

    def record(self, commits: list[str], found: dict[str, Comparison]) -> None:
        """Keep what was confirmed under the last commit's name, with an alert to send when it is new."""
        base, *inside, culprit = commits
        record = next((known for known in self.store.records() if known["commit"] == culprit), None)
        if record is None:
            record = {**self.mirror.describe(culprit), "parent": base, "unbuildable": inside, "found": now(), "series": {}, "next": 0}
            record |= {"reproduce": self.reproduce(base, culprit, found), "events": [event("regression")]}
            log.warning("regression", extra={"commit": culprit, "subject": record["subject"], "series": sorted(found)})
        for key, comparison in found.items():
            env, entry = key.split("|", 1)
            link = f"{self.config.url}/asv/index.html#{name_of(entry)}?commits={culprit}"
            result = self.store.results(culprit).get(env)
            facts = {"entry": entry, "env": env, "setting": setting_of(result) if result else env, "unit": self.store.unit(entry)}
            record["series"][key] = facts | {"link": link} | asdict(comparison)
        self.store.put_record(record, f"Regression in {culprit[:8]}: {record['subject']}")

    def reproduce(self, base: str, culprit: str, found: dict[str, Comparison]) -> str:
        """The command that shows the largest slowdown in a clone of the repository: half of it is enough for asv to say so."""
        key, comparison = max(found.items(), key=lambda item: item[1].ratio)
        env, entry = key.split("|", 1)
        chosen = ["--config", self.config.asv_config, "-E", env, "--interleave-rounds", "--bench", f"^{re.escape(entry)}$"]
        chosen += ["--factor", f"{(1 + comparison.ratio) / 2:.3f}"]
        return shlex.join(["asv", "continuous", *chosen, base, culprit])

    def review(self, suspects: list[Suspect], newest: str, state: dict) -> bool:
        """Close a regression whose commit or benchmarks are gone, or that asv no longer reports and that measures as fixed.

        True when something was measured: one at a time, since this lasts.
        """
        reported = {suspect.key for suspect in suspects}
        known = self.store.benchmarks()
        for record in filter(is_open, self.store.records()):
            series = {key: facts for key, facts in record["series"].items() if name_of(facts["entry"]) in known}
            if not self.mirror.contains(record["commit"]):
                self.close(record, "the commit left the branch")
            elif not series:
                self.close(record, "nothing that is still measured was slower")
            elif not reported & set(series) and state["measured"] >= record["next"]:
                found = compare(self.asv, record["parent"], newest, series, self.out)
                most = {key: 1 + min(self.threshold(key), facts["ratio"] - 1) / 2 for key, facts in series.items()}
                if all(key in found and found[key].ratio < most[key] for key in series):
                    self.close(record, f"measured again at {newest[:8]}")
                else:
                    self.store.put_record(record | {"next": state["measured"] + PATIENCE}, f"Look again at {record['commit'][:8]}")
                return True
        return False

    def close(self, record: dict, note: str) -> None:
        """Mark a regression as resolved, with one alert to send."""
        log.warning("resolved", extra={"commit": record["commit"], "note": note})
        record["events"].append(event("resolved", note))
        self.store.put_record(record, f"Resolved: {record['commit'][:8]}, {note}")


def event(kind: str, note: str = "") -> dict[str, str]:
    """Something to tell people: a regression or that it is resolved."""
    return {"kind": kind, "at": now(), "delivered": "", "note": note}


def is_open(record: dict) -> bool:
    """Whether a regression is not resolved."""
    return record["events"][-1]["kind"] == "regression"
