"""Does the work, one job at a time, in the main thread of `__main__`.

Every job ends with files renamed into place, and which job comes next follows from the files alone: killed at any point, the service
goes on where it was. What it is about, and what troubles it, stands in `status`, which `server` shows.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from typing import Any

from benchmarks.service import guard, noise
from benchmarks.service.asv import Asv, Stopped, entry_of, name_of, values_of, versions_of
from benchmarks.service.compare import references_of
from benchmarks.service.config import Config
from benchmarks.service.files import now
from benchmarks.service.front import gather
from benchmarks.service.mirror import GitError, Mirror
from benchmarks.service.notify import Outbox
from benchmarks.service.publish import publish
from benchmarks.service.regressions import Regressions
from benchmarks.service.schedule import accept, given_up, grid, may_try, note_failure, note_success, tries
from benchmarks.service.server import free_gb
from benchmarks.service.store import Store

log = logging.getLogger(__name__)
PAUSE = 60.0  # seconds before the next step after trouble, at most


class Runner:
    """The runner's parts and its loop."""

    def __init__(self, config: Config, stop: threading.Event):
        self.config = config
        self.stop = stop
        self.work = config.data / "work"
        self.store = Store(config)
        self.outbox = Outbox(config, self.store)
        self.mirror = Mirror(config)
        self.asv = Asv(config, self.mirror, stop)
        self.regressions = Regressions(self.asv, self.store)
        self.status: dict[str, Any] = {"phase": "starting", "trouble": {}}
        self.pause = min(PAUSE, config.poll_seconds)
        self.last_fetch = float("-inf")
        self.published = ("", float("-inf"))  # what the shown site was made of, and when

    def trouble(self, kind: str, text: str = "") -> None:
        """Say what is wrong with one thing, or that nothing is any more."""
        self.status["trouble"] = {k: v for k, v in self.status["trouble"].items() if k != kind} | ({kind: text} if text else {})
        if text:
            log.warning("trouble", extra={"kind": kind, "text": text})

    def loop(self) -> None:
        """Step after step until told to stop; trouble is reported and tried again."""
        guard.kill_marked(self.asv.mark)  # what an earlier service left, should its guard have been killed with it
        thorough = True
        while not self.stop.is_set():
            try:
                # At the start and after trouble, git's own files are looked at as well.
                for line in self.store.open() if thorough else self.store.repair():
                    log.warning("repaired", extra={"file": line})
                wait = self.step()
                self.trouble("cycle")
            except Stopped:
                break
            except Exception as error:
                log.exception("step failed")
                self.trouble("cycle", f"{type(error).__name__}: {error}")
                wait = self.pause
            thorough = "cycle" in self.status["trouble"]
            if wait:
                self.status["phase"] = "waiting to try again" if self.status["trouble"] else "waiting"
                self.stop.wait(wait)

    def step(self) -> float:
        """Do the most urgent job; the seconds to wait before the next step."""
        config = self.config
        self.trouble("webhook", self.outbox.deliver())
        if free_gb(config) < config.min_free_gb:
            return self.pause  # the server says so
        commits = self.update()
        state = self.store.state()
        done, waiting = self.queue(commits, state)
        self.publish(commits, waiting)
        if done and self.published[0] and self.look_at_regressions(commits, done, waiting, state):
            return 0.0
        if waiting:
            untried = [commit for commit in waiting if not tries(state, commit)]
            return self.measure(grid(untried or waiting, commits, config.stride_above), commits[-1], state)
        if done and noise.due(self.store, config):
            self.status["phase"] = "measuring the noise"
            noise.measure(self.asv, self.store, done)
            return 0.0
        failing = any(0 < tries(state, commit) < config.retries for commit in commits[-config.history :])
        return self.pause if failing else config.poll_seconds

    def update(self) -> list[str]:
        """Fetch when it is time, and have the newest commit's suite ready; all commits of the branch."""
        if time.monotonic() - self.last_fetch >= self.config.poll_seconds or not self.asv.conf:
            try:
                self.mirror.fetch()
                self.trouble("fetch")
            except GitError as error:
                self.trouble("fetch", f"fetch failed: {error}")
            self.last_fetch = time.monotonic()
        commits = self.mirror.commits()
        self.mirror.check_out_suite(commits[-1])
        self.asv.prepare(noise.thresholds(self.store, self.config))
        self.status["project"] = self.asv.conf.get("project", "project")
        return commits

    def suite(self) -> str:
        """A name for the benchmarks that commits are measured with."""
        return self.mirror.suite_version(self.asv.conf.get("benchmark_dir", "benchmarks"))

    def queue(self, commits: list[str], state: dict) -> tuple[list[str], list[str]]:
        """The commits that are measured, and those to measure, oldest first; the status says how many."""
        envs = state.get("envs", {}).get(self.asv.matrix_key(), [])
        wanted = {name: str(entry.get("version")) for name, entry in self.store.benchmarks().items()}
        suite = self.suite()

        def complete(commit: str) -> bool:
            """Whether every known environment has a result of every benchmark, in its present version."""
            results = self.store.results(commit)
            if not envs or not results.keys() >= set(envs):
                return False
            # A benchmark may be missing because an old commit cannot be asked for it; the same suite gives no more.
            same = state.get("suites", {}).get(commit) == suite
            return same or all(wanted.items() <= versions_of(results[env]).items() for env in envs)

        wide = commits[-self.config.history :]
        done = [commit for commit in wide if complete(commit)]
        waiting = [commit for commit in wide if commit not in done and may_try(state, commit, self.config)]
        for left in self.work.glob("measured-*"):  # a kill came between taking it over and removing it
            if left.name.split("-")[1] in done:
                shutil.rmtree(left)
        since = self.status.get("waiting_since") or now()
        self.status |= {"measured": len(done), "waiting": len(waiting), "waiting_since": since if waiting else None}
        self.status |= {"failed": given_up(state, wide, self.config), "last_success": now(state["success"]) if "success" in state else None}
        return done, waiting

    def look_at_regressions(self, commits: list[str], done: list[str], waiting: list[str], state: dict) -> bool:
        """One step of what asv's list of regressions asks for; whether something was measured."""
        suspects = self.regressions.suspects(self.config.data / "public" / "current", commits)
        pending = self.regressions.pending(suspects, state)
        if commit := self.regressions.gap(pending, commits, waiting):
            self.measure(commit, commits[-1], state)
            return True
        if pending:
            self.status["phase"] = f"measuring {pending[0].culprit[:8]} and the commit before it again"
            self.regressions.confirm(pending, commits, state)
            return True
        self.status["phase"] = "looking at the open regressions"
        return self.regressions.review(suspects, done[-1], state)

    def measure(self, commit: str, newest: str, state: dict) -> float:
        """Measure a commit aside, look at what came out, and take it over; the seconds to wait."""
        self.status["phase"] = f"measuring {commit[:8]}"
        begin = time.monotonic()
        out = self.work / f"measured-{commit}-{self.suite()}"
        if not out.exists():  # else a full disk or a kill kept it from being taken over
            scratch = self.work / "run"
            self.asv.run([commit], scratch, seed=[self.without_references(result) for result in self.store.results(commit).values()])
            os.replace(scratch, out)
        useful = [result for result in self.asv.results(out, commit) if values_of(result)]
        believed, change = accept(state, references_of(self.asv.values(out, commit), self.config.reference), self.config)
        self.trouble("reference", "" if believed else f"reference off by {100 * (change - 1):+.0f} %: the run is thrown away and repeated")
        if useful and believed:
            envs = state.setdefault("envs", {}).setdefault(self.asv.matrix_key(), [])
            envs += [result["env_name"] for result in useful if result["env_name"] not in envs]
            if len(useful) == len(envs):
                note_success(state, commit)
            else:
                note_failure(state, commit, self.config)
            state["measured"] += 1
            state.setdefault("suites", {})[commit] = self.suite()
            self.store.put_results(useful, out, state, commit == newest)
            log.info("measured", extra={"commit": commit, "seconds": round(time.monotonic() - begin, 1), "drift": round(change, 4)})
        elif believed:
            note_failure(state, commit, self.config)
            log.warning("no result", extra={"commit": commit, "tries": tries(state, commit), "log": f"logs/run-{commit[:8]}.log"})
            self.store.save(state, f"No result of {commit[:8]}")
        else:
            self.store.save(state, f"Reference off during {commit[:8]}")
        shutil.rmtree(out)
        return 0.0 if believed else self.pause

    def without_references(self, result: dict) -> dict:
        """A result whose references asv will measure again."""
        again = {name_of(entry_of(key)) for key in references_of(values_of(result), self.config.reference)}
        return result | {"results": {name: row for name, row in result["results"].items() if name not in again}}

    def publish(self, commits: list[str], waiting: list[str]) -> None:
        """Publish what is new, with commits waiting not too often; when that fails, the old site stays and the reason is reported."""
        shown, when = self.published
        version = self.store.version()
        source = f"{version} {self.asv.conf['regressions_thresholds']}"
        if not version or source == shown or (waiting and time.monotonic() - when < self.config.publish_seconds):
            return
        self.status["phase"] = "publishing"
        try:
            publish(self.asv, gather(self.store, self.mirror, commits, self.config))
        except Exception as error:
            self.trouble("publish", f"publish failed: {type(error).__name__}: {error}")
            self.published = (shown, time.monotonic())
        else:
            self.trouble("publish")
            self.published = (source, time.monotonic())
            self.status["last_publish"] = now()
