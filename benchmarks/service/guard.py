"""Runs a command and ends it, with all it started, when the service dies: ``python guard.py COMMAND…`` (called by `asv`).

asv puts each benchmark into a process group of its own, so neither a signal to asv nor one to its group reaches a benchmark. All
processes inherit a mark in their environment instead; whoever has it is killed. The guard's standard input is a pipe from the service:
something written there is a request to stop, its end means that the service died, however it died. Imports nothing of this package, since
it runs as a script.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil

MARK = "CYCONV_BENCHMARK_SERVICE"
GRACE = 20.0  # seconds that asv gets to end after an interrupt


def marked(mark: str) -> list[psutil.Process]:
    """The processes, this one apart, whose environment has the mark."""
    found = psutil.process_iter(["environ"])
    return [process for process in found if (process.info["environ"] or {}).get(MARK) == mark and process.pid != os.getpid()]


def kill_marked(mark: str, seconds: float = 10.0) -> None:
    """Kill the marked processes until none is left: a fork may slip through the first time."""
    end = time.monotonic() + seconds
    while (found := marked(mark)) and time.monotonic() < end:
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=0.5)


def main() -> int:
    """Run the command; its exit status, or 1 when it was ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background shell may have passed "ignore" on, which asv would keep
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    while child.poll() is None:
        if select.select([0], [], [], 0.1)[0]:
            if os.read(0, 1):
                child.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(GRACE)
            kill_marked(os.environ[MARK])
            return 1
    kill_marked(os.environ[MARK])
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
