"""Runs a command and ends it, with all it started, when the service dies: ``python guard.py COMMAND…`` (called by `asv`).

asv puts each benchmark into a process group of its own, so neither a signal to asv nor one to its group reaches a benchmark. All
processes inherit a mark in their environment instead; whoever has it is killed. The guard knows that the service died, however it died,
because the pipe on its standard input closes. Standard library only: it runs as a script.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

MARK = "CYCONV_BENCHMARK_SERVICE"
GRACE = 20.0  # seconds that asv gets to end after an interrupt


def marked(mark: str) -> list[int]:
    """The processes, this one apart, whose environment has the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if wanted in environment.split(b"\0"):
                found.append(int(entry.name))
    return found


def kill_marked(mark: str, seconds: float = 10.0) -> None:
    """Kill the marked processes until none is left: a fork may slip through the first time."""
    end = time.monotonic() + seconds
    while (pids := marked(mark)) and time.monotonic() < end:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def main() -> int:
    """Run the command; its exit status, or 1 when it was ended."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background shell may have passed "ignore" on, which asv would keep
    mark = os.environ[MARK]
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    while child.poll() is None and not stopping:
        if select.select([0], [], [], 0.1)[0] and not os.read(0, 1):
            kill_marked(mark)
            return 1
    if stopping:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    kill_marked(mark)
    return 1 if stopping else child.wait()


if __name__ == "__main__":
    sys.exit(main())
