"""The guard: whatever way the service ends, what it started ends too, also processes in groups and sessions of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.service import guard

# As asv does: a child in a session of its own, which ignores the signals that can be ignored.
PARENT = """
import subprocess, sys, time, signal
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(2, signal.SIG_IGN); print(flush=True); time.sleep(60)"],
                         start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
open(sys.argv[1], "w").write(str(child.pid))
try:
    time.sleep(60)
except KeyboardInterrupt:
    open(sys.argv[1] + ".interrupted", "w")
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def running(tmp_path: Path):
    """The guard over a parent and its child: the guard's process, the child's id."""
    note = tmp_path / "child"
    environment = {**os.environ, guard.MARK: str(tmp_path)}
    command = [sys.executable, guard.__file__, sys.executable, "-c", PARENT, str(note)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
    end = time.monotonic() + 20
    while not (note.exists() and note.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    yield process, int(note.read_text())
    guard.kill_marked(str(tmp_path))
    process.wait()


def test_closed_pipe_ends_everything(running):
    process, child = running
    assert alive(child)
    process.stdin.close()
    assert process.wait(20) == 1 and not alive(child)


def test_stop_interrupts_first(running, tmp_path: Path):
    process, child = running
    process.stdin.write(b"stop")
    process.stdin.flush()
    assert process.wait(25) == 1 and not alive(child)
    assert (tmp_path / "child.interrupted").exists()


def test_what_a_killed_guard_left_is_found_by_its_mark(running, tmp_path: Path):
    process, child = running
    process.kill()
    process.wait()
    assert alive(child)
    guard.kill_marked(str(tmp_path))
    assert not alive(child) and guard.marked(str(tmp_path)) == []


def test_status_is_passed_on(tmp_path: Path):
    environment = {**os.environ, guard.MARK: str(tmp_path)}
    command = [sys.executable, guard.__file__, sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        assert process.wait(20) == 7
