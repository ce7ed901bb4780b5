"""The service: ``python -m benchmarks.service --config FILE``. Serves the pages, and keeps the runner going in a process of its own.

Without ``--config`` it measures this repository (`make dashboard`). One service at a time may use a data folder: it holds a lock, and so
does its runner, until both are gone. A socket from systemd (LISTEN_FDS) is taken over, so that the address answers during a restart.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import uvicorn

from benchmarks.service.config import ROOT, Config, load
from benchmarks.service.logs import start_logging
from benchmarks.service.server import application

log = logging.getLogger("benchmarks.service.main")
LOCK_WAIT = 10.0  # seconds: the runner of a service that was killed a moment ago needs some to notice
STOP_WAIT = 45.0  # seconds: asv gets 20 to end after an interrupt
RESTART = (1.0, 15.0)  # seconds before a runner that died is started again: at first, at most
LISTEN_FD = 3  # where systemd's first socket is


def lock(config: Config) -> int:
    """Hold the data folder's lock; its file descriptor.

    Raises
    ------
    SystemExit
        Another service uses the folder.
    """
    config.data.mkdir(parents=True, exist_ok=True)
    held = os.open(config.data / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    end = time.monotonic() + LOCK_WAIT
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return held
        except BlockingIOError:
            if time.monotonic() > end:
                raise SystemExit(f"another benchmark service is at work in {config.data}") from None
            time.sleep(0.2)


def listen(config: Config) -> socket.socket:
    """The socket to serve on: systemd's, or a new one."""
    if os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=LISTEN_FD)
    try:
        return socket.create_server((config.host, config.port))
    except OSError as error:
        raise SystemExit(f"cannot listen on {config.host}:{config.port}: {error}") from None


def start_server(config: Config, sock: socket.socket) -> tuple[uvicorn.Server, threading.Thread]:
    """Serve in a thread."""
    settings = uvicorn.Config(application(config), log_config=None, access_log=False, limit_concurrency=200, timeout_graceful_shutdown=3)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    return server, thread


def keep_runner(arguments: list[str], held: int, stop: threading.Event) -> None:
    """Start the runner, again and again when it dies, until told to stop; then let it finish."""
    wait = RESTART[0]
    while not stop.is_set():
        command = [sys.executable, "-m", "benchmarks.service.runner", *arguments]
        # In a session of its own: an interrupt from the terminal reaches only this process, which then stops it in order.
        runner = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, pass_fds=[held], start_new_session=True)
        begin = time.monotonic()
        while runner.poll() is None and not stop.wait(0.1):
            pass
        if stop.is_set():
            runner.terminate()
            try:
                runner.wait(STOP_WAIT)
            except subprocess.TimeoutExpired:
                runner.kill()
        elif runner.poll() is not None:
            wait = RESTART[0] if time.monotonic() - begin > RESTART[1] else min(RESTART[1], 2 * wait)
            log.error("runner ended", extra={"status": runner.returncode, "again_in": wait})
            stop.wait(wait)


def main() -> int:
    """Serve and measure until a signal says stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, help="TOML file (default: this repository, kept in .asv/service)")
    options = parser.parse_args()
    try:
        config = load(options.config)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    start_logging()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    held = lock(config)
    server, thread = start_server(config, listen(config))
    print(f"Dashboard: {config.url}/", flush=True)
    keep_runner([str(options.config.resolve())] if options.config else [], held, stop)
    server.should_exit = True
    thread.join()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
