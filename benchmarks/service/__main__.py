"""The service: ``python -m benchmarks.service --config FILE``. Serves the pages in a thread, and measures until a signal says stop.

Without ``--config`` it measures this repository (`make dashboard`). One service at a time may use a data folder, whose lock it holds.
A socket from systemd (LISTEN_FDS) is taken over, so that the address stays open during a restart and requests wait instead of failing.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from pythonjsonlogger.json import JsonFormatter

from benchmarks.service.config import Config, load
from benchmarks.service.runner import Runner
from benchmarks.service.server import application

LISTEN_FD = 3  # where systemd's first socket is
HEADERS = [
    # asv's page has scripts of its own inside; nothing may come from, or go to, another host.
    ("content-security-policy", "default-src 'self' data:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-cache"),
]


def start_logging() -> None:
    """Send everything from `info` on to standard error, one JSON object a line."""
    handler = logging.StreamHandler()
    names = {"name": "part", "levelname": "level", "exc_info": "error"}
    handler.setFormatter(JsonFormatter("{name}{levelname}{message}", style="{", rename_fields=names, timestamp="time"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def lock(config: Config) -> int:
    """Hold the data folder's lock until this process ends; its file descriptor."""
    config.data.mkdir(parents=True, exist_ok=True)
    held = os.open(config.data / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another benchmark service is at work in {config.data}") from None
    return held


def listen(config: Config) -> socket.socket:
    """The socket to serve on: systemd's, or a new one."""
    if os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=LISTEN_FD)
    try:
        return socket.create_server((config.host, config.port))
    except OSError as error:
        raise SystemExit(f"cannot listen on {config.host}:{config.port}: {error}") from None


def start_server(config: Config, status: dict, sock: socket.socket) -> tuple[uvicorn.Server, threading.Thread]:
    """Serve in a thread."""
    limits = {"limit_concurrency": 200, "timeout_graceful_shutdown": 3}
    server = uvicorn.Server(uvicorn.Config(application(config, status), headers=HEADERS, log_config=None, access_log=False, **limits))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    return server, thread


def main() -> int:
    """Serve and measure until a signal says stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, help="TOML file (default: this repository, kept in .asv/service)")
    try:
        config = load(parser.parse_args().config)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    start_logging()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    held = lock(config)
    runner = Runner(config, stop)
    server, thread = start_server(config, runner.status, listen(config))
    print(f"Dashboard: {config.url}/", flush=True)
    runner.loop()
    server.should_exit = True
    thread.join()
    os.close(held)
    return 0


if __name__ == "__main__":
    sys.exit(main())
