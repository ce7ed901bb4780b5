"""Processes that load mutants, and are watched: what kills one, or keeps it busy too long, is a finding; a new one takes over."""

from __future__ import annotations

import json
import os
import pickle
import selectors
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.seeds import SEEDS

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 2.0  # of CPU time that one file may take
PATIENCE = 60.0  # of the clock: the machine may be busy with other things


@dataclass
class Findings:
    """What became of the mutants, and the faults as lines that name the mutant."""

    counts: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    bytes: int = 0  # of memory that a process held more than at its start, at most

    def note(self, record: dict) -> None:
        """One mutant more."""
        kind, outcome = record["kind"], record["outcome"]
        self.counts[kind, outcome] += 1
        self.slowest = max(self.slowest, record.get("seconds", 0))
        self.bytes = max(self.bytes, record.get("bytes", 0))
        if record.get("run"):
            self.counts[kind, "run " + record["run"].split(":")[0]] += 1
        if outcome not in ("accepted", "refused"):
            self.faults.append(f"mutant({kind!r}, {record['number']}): {outcome}: {record.get('why', '')[:300]}")
        elif record["seconds"] > SECONDS:
            self.faults.append(f"mutant({kind!r}, {record['number']}): {record['seconds']:.1f} s")

    def table(self) -> str:
        """The counts, a line for each kind."""
        lines: dict[str, list[str]] = {}
        for (kind, what), number in sorted(self.counts.items()):
            lines.setdefault(kind, []).append(f"{number} {what}")
        counts = [f"{kind}: {', '.join(words)}" for kind, words in lines.items()]
        return "\n".join([*counts, f"slowest: {self.slowest:.2f} s; most memory: {self.bytes / 2**20:.0f} MiB"])


class Worker:
    """One process that loads mutants."""

    def __init__(self, folder: Path, number: int):
        command = [sys.executable, "-m", "tests.fuzz.worker", str(folder), str(number)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.said = folder / f"stderr{number}"
        with self.said.open("wb") as err:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
        self.selector = selectors.DefaultSelector()
        assert self.process.stdout is not None
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def load(self, kind: str, number: int) -> dict:
        """The record of one mutant; "crash" or "hang" when the process does not answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{kind} {number}\n".encode())
        self.process.stdin.flush()
        record = {"kind": kind, "number": number}
        if not self.selector.select(PATIENCE):
            return {**record, "outcome": "hang"}
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        return {**record, "outcome": "crash", "why": f"exit code {self.process.wait()}: {self.end()[-300:]}"}

    def end(self) -> str:
        """Stop it; what it said on stderr."""
        self.process.kill()
        self.process.communicate()
        self.selector.close()
        return self.said.read_text(errors="replace")


def fuzz(folder: Path, cases: list[tuple[str, int]]) -> Findings:
    """Load the mutants of these kinds and numbers."""
    kinds = {kind for kind, _ in cases}
    (folder / "seeds.pickle").write_bytes(pickle.dumps({kind: SEEDS[kind]() for kind in kinds}))
    findings = Findings()
    started = 0
    worker = Worker(folder, started)
    try:
        for kind, number in cases:
            record = worker.load(kind, number)
            findings.note(record)
            if record["outcome"] in ("crash", "hang"):
                worker.end()
                started += 1
                worker = Worker(folder, started)
    finally:
        worker.end()
    return findings
