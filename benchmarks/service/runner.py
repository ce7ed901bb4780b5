"""Does the work, one job at a time: ``python -m benchmarks.service.runner CONFIG`` (started and watched by `__main__`).

Every job ends with files renamed into place, and which job comes next follows from the files alone: killed at any point, the runner goes
on where it was. What it is about, and what troubles it, stands in `data/status.json`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.service import guard
from benchmarks.service.asv import Asv, AsvError, Result, Stopped
from benchmarks.service.compare import Target, drift, references_of, scatter
from benchmarks.service.config import Config, load
from benchmarks.service.files import free_gb, read_json, write_json
from benchmarks.service.front import gather
from benchmarks.service.logs import start_logging
from benchmarks.service.mirror import GitError, Mirror
from benchmarks.service.notify import Outbox
from benchmarks.service.publish import publish
from benchmarks.service.regressions import Regressions, now, thresholds
from benchmarks.service.schedule import Failures, grid, known_level, remember_level, repeated_drift
from benchmarks.service.store import Store

log = logging.getLogger("benchmarks.service.runner")
BEAT = 30.0  # seconds between two signs of life while a command runs
PAUSE = 60.0  # seconds before the next step after trouble, at most


class Runner:
    """The runner's parts and its loop."""

    def __init__(self, config: Config, stop: threading.Event):
        self.config = config
        self.stop = stop
        self.store = Store(config)
        self.mirror = Mirror(config)
        self.asv = Asv(config, self.mirror, stop, self.beat)
        self.outbox = Outbox(config, self.store)
        self.regressions = Regressions(config, self.mirror, self.asv, self.store)
        self.scratch = config.data / "work" / "run"
        self.status: dict[str, Any] = {"phase": "starting", "trouble": {}}
        self.suite = self.newest = ""
        self.last_beat = 0.0
        self.last_fetch = float("-inf")
        self.published = ("", float("-inf"))  # what the shown site was made of, and when

    # Status

    def beat(self) -> None:
        """A sign of life, not too often."""
        if time.monotonic() - self.last_beat > BEAT:
            self.report()

    def report(self, **changes: Any) -> None:
        """Write the status; a full disk does not stop the work, the server sees that by itself."""
        self.status |= changes | {"at": now()}
        self.last_beat = time.monotonic()
        try:
            write_json(self.config.data / "status.json", self.status)
        except OSError as error:
            log.warning("status not written", extra={"error": str(error)})

    def trouble(self, kind: str, text: str = "") -> None:
        """Say what is wrong with one thing, or that nothing is any more."""
        self.status["trouble"] = {k: v for k, v in self.status["trouble"].items() if k != kind} | ({kind: text} if text else {})
        if text:
            log.warning("trouble", extra={"kind": kind, "text": text})

    # One step

    def loop(self) -> None:
        """Step after step until told to stop; trouble is reported and tried again."""
        guard.kill_marked(self.asv.mark)  # what an earlier service left, should its guard have been killed with it
        while not self.stop.is_set():
            wait = 0.0
            try:
                self.repair()
                wait = self.step()
                self.trouble("cycle")
            except Stopped:
                break
            except Exception as error:
                log.exception("step failed")
                self.trouble("cycle", f"{type(error).__name__}: {error}")
                wait = min(PAUSE, self.config.poll_seconds)
            if wait and not self.stop.is_set():
                self.report(phase="waiting" if not self.status["trouble"] else "waiting to try again")
                self.stop.wait(wait)
        self.report(phase="stopped")

    def repair(self) -> None:
        """Put the results in order; at the start and after trouble, look into git's own files as well."""
        thorough = not self.status.get("project") or "cycle" in self.status["trouble"]
        for line in self.store.open() if thorough else self.store.repair():
            log.warning("repaired", extra={"file": line})

    def step(self) -> float:
        """Do the most urgent job; the seconds to wait before the next step."""
        config = self.config
        self.outbox.deliver()
        self.trouble("webhook", f"webhook failed: {self.outbox.error}" if self.outbox.error else "")
        if free_gb(config) < config.min_free_gb:
            return min(PAUSE, config.poll_seconds)  # the server says so
        commits = self.update()
        state = self.store.state()
        failures = Failures(state, config)
        done = [commit for commit in commits if self.complete(commit, state)]
        waiting = [commit for commit in commits if commit not in done and failures.may_try(commit)]
        since = self.status.get("waiting_since") if waiting and self.status.get("waiting") else now()
        self.report(measured=len(done), waiting=len(waiting), failed=failures.given_up(), waiting_since=since if waiting else None)
        self.collect_peers()
        if self.publish_due(waiting):
            self.make_site(commits)
        if done and self.published[0]:
            suspects = self.regressions.suspects(config.data / "public" / "current", commits)
            pending = self.regressions.pending(suspects, state, len(done))
            if commit := self.regressions.gap(pending, commits, waiting):
                return self.measure(commit, state)
            if pending:
                self.report(phase=f"measuring {pending[0].culprit[:8]} and the commit before it again")
                self.regressions.confirm(pending, commits, state, len(done))
                return 0.0
            if ended := self.regressions.ended(suspects, len(done)):
                self.report(phase=f"measuring whether {ended[0]['commit'][:8]} is resolved")
                self.regressions.resolve(*ended, done[-1], len(done))
                return 0.0
        if waiting:
            untried = [commit for commit in waiting if not failures.tries(commit)]
            return self.measure(grid(untried or waiting, commits, self.mirror.position(commits[-1]), config.stride_above), state)
        if done and self.noise_due():
            return self.measure_noise(done[-1])
        return config.poll_seconds if not failures.soon(commits) else min(PAUSE, config.poll_seconds)

    def update(self) -> list[str]:
        """Fetch when it is time, and have the newest commit's suite ready; the commits to measure."""
        if time.monotonic() - self.last_fetch >= self.config.poll_seconds or not self.asv.conf:
            try:
                self.mirror.fetch()
                self.trouble("fetch")
            except GitError as error:
                self.trouble("fetch", f"fetch failed: {error}")
            self.last_fetch = time.monotonic()
        commits = self.mirror.commits()
        self.mirror.check_out_suite(commits[-1])
        self.asv.prepare(thresholds(self.store, self.config))
        self.status["project"] = self.asv.conf.get("project", "project")
        self.suite, self.newest = self.mirror.suite_version(self.asv.conf), commits[-1]
        return commits

    def complete(self, commit: str, state: dict) -> bool:
        """Whether every known environment has a result of every benchmark, in its present version."""
        results = self.store.results(commit, self.asv.machine)
        envs = state.get("envs", {}).get(self.asv.matrix_key(), [])
        wanted = {name: str(entry.get("version")) for name, entry in self.store.benchmarks().items()}
        if not envs or not all(env in results for env in envs):
            return False
        # A benchmark may be missing because an old commit cannot be asked for it; measuring it again with the same suite gives no more.
        same_suite = state.get("suites", {}).get(commit) == self.suite
        return same_suite or all(wanted.items() <= results[env].versions().items() for env in envs)

    # Jobs

    def measure(self, commit: str, state: dict) -> float:
        """Measure a commit aside, look at what came out, and take it over."""
        self.report(phase=f"measuring {commit[:8]}")
        begin = time.monotonic()
        old = self.store.results(commit, self.asv.machine)
        seed = [without_references(result, self.config.reference) for result in old.values()]
        # What was measured and could not be taken over, for lack of space or because of a kill, is not measured again.
        finished = self.scratch.with_suffix(".finished")
        if not finished.exists() or finished.read_text() != commit:
            finished.unlink(missing_ok=True)
            self.asv.run([commit], self.scratch, seed=seed)
            finished.write_text(commit)
        results = self.asv.results(self.scratch, commit)
        failures = Failures(state, self.config)
        useful = [result for result in results if result.values()]
        key = self.asv.matrix_key()
        if not useful:
            failures.add(commit)
            log.warning("no result", extra={"commit": commit, "tries": failures.tries(commit), "log": f"logs/run-{commit[:8]}.log"})
            finished.unlink()
            self.regressions.save(state, f"No result of {commit[:8]}")
            return 0.0
        change, level = self.drift(useful, state)
        if abs(change - 1) > self.config.max_drift and not repeated_drift(state, change, self.config):
            self.trouble("reference", f"reference off by {100 * (change - 1):+.0f} %: the run was thrown away and is repeated")
            finished.unlink()
            self.regressions.save(state, f"Reference off during {commit[:8]}")
            return min(PAUSE, self.config.poll_seconds)
        self.trouble("reference")
        state["drift"] = []
        remember_level(state, level)
        envs = state.setdefault("envs", {}).setdefault(key, [])
        envs += [result.env for result in useful if result.env not in envs]
        if len(useful) < len(envs):
            failures.add(commit)
        else:
            failures.success(commit)
        state.setdefault("suites", {})[commit] = self.suite
        self.store.put_results(useful, self.scratch, self.asv.machine, newest=commit == self.newest)
        self.regressions.save(state, f"Measured {commit[:8]}")
        finished.unlink()
        self.report(last_success=now())
        log.info("measured", extra={"commit": commit, "seconds": round(time.monotonic() - begin, 1), "drift": round(change, 4)})
        return 0.0

    def drift(self, results: list[Result], state: dict) -> tuple[float, dict[str, float]]:
        """How far the references of a run are off their level, and their values."""
        values = {key: value for result in results for key, value in references_of(result, self.config.reference).items()}
        return drift(values, known_level(state)), values

    def publish_due(self, waiting: list[str]) -> bool:
        """Whether the shown site is not the newest possible; with commits waiting, not too often."""
        old, when = self.published
        due = not waiting or time.monotonic() - when >= self.config.publish_seconds
        return due and self.source() != old and bool(self.store.version())

    def source(self) -> str:
        """What a site is made of."""
        return f"{self.store.version()} {sorted(thresholds(self.store, self.config).items())}"

    def make_site(self, commits: list[str]) -> None:
        """Publish; when it fails, the old site stays and the reason is reported."""
        self.report(phase="publishing")
        source = self.source()
        try:
            publish(self.asv, gather(self.store, self.mirror, commits, self.asv.machine, self.config.reference))
        except Stopped:
            raise
        except Exception as error:
            self.trouble("publish", f"publish failed: {error}")
            self.published = (self.published[0], time.monotonic())
            return
        self.trouble("publish")
        self.published = (source, time.monotonic())
        self.report(last_publish=now())
        log.info("published")

    def noise_due(self) -> bool:
        """Whether it is time to measure a commit against itself."""
        runs = sorted((self.store.path / "noise").glob("*.json"))
        self.status["noise"] = (read_json(runs[-1]) or {}).get("at") if runs else None
        old = time.time() - runs[-1].stat().st_mtime if runs else float("inf")
        return self.config.aa_days > 0 and old > 86400 * self.config.aa_days

    def measure_noise(self, commit: str) -> float:
        """One more of the runs of a commit against itself; after the last, keep each series' scatter."""
        folder = self.config.data / "work" / "noise"
        kept = read_json(folder / "runs.json")
        runs = kept["runs"] if kept and kept["commit"] == commit else []
        self.report(phase=f"measuring the noise, run {len(runs) + 1} of {self.config.aa_runs}")
        out = folder / "run"
        self.asv.run([commit], out)
        values = {Target(e, result.env).key: v for result in self.asv.results(out, commit) for e, v in result.values().items()}
        if not values:
            raise AsvError(f"no result of {commit[:8]}, which was measured before; see logs/run-{commit[:8]}.log")
        runs.append(values)
        write_json(folder / "runs.json", {"commit": commit, "runs": runs})
        if len(runs) >= self.config.aa_runs:
            series = {key: [run[key] for run in runs if key in run] for key in values}
            facts = {key: {"scatter": scatter(found), "values": found} for key, found in series.items() if len(found) > 3}
            path = self.store.path / "noise" / f"{now().replace(':', '')}.json"
            self.store.put({path: {"at": now(), "commit": commit, "series": facts}}, f"Noise, measured with {commit[:8]}")
            (folder / "runs.json").unlink()
            log.info("noise", extra={"commit": commit, "largest": max((f["scatter"] for f in facts.values()), default=0.0)})
        return 0.0

    def collect_peers(self) -> None:
        """Keep each new comparison with other engines."""
        found = read_json(self.config.peers) if self.config.peers else None
        kept = sorted((self.store.path / "peers").glob("*.json"))
        if isinstance(found, dict) and (not kept or read_json(kept[-1]) != found):
            self.store.put({self.store.path / "peers" / f"{now().replace(':', '')}.json": found}, "A new comparison with other engines")


def without_references(result: Result, pattern: str) -> dict:
    """A result whose references asv will measure again."""
    again = {key.split("|", 1)[1].split("(")[0] for key in references_of(result, pattern)}
    return {**result.data, "results": {name: row for name, row in result.data["results"].items() if name not in again}}


def die_with_parent(stop: threading.Event) -> None:
    """End at once when the pipe on standard input closes: the service was killed. The guard then ends asv."""
    if not os.read(0, 1) and not stop.is_set():
        os._exit(1)


def main() -> None:
    """Run until a signal says stop or the parent is gone."""
    config = load(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    start_logging()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=die_with_parent, args=(stop,), daemon=True).start()
    log.info("runner started", extra={"repo": config.repo, "branch": config.branch, "data": str(config.data)})
    Runner(config, stop).loop()


if __name__ == "__main__":
    main()
