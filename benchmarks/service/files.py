"""Files that survive a crash: written aside, synced, renamed. Used by every part of the service that writes."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.service.config import Config

TEMPORARY = ".aside-"


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either what it held before or all of it, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def read_json(path: Path) -> Any:
    """The JSON in a file, or None when there is none that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def free_gb(config: Config) -> float:
    """The room left, where it is least: the results may lie on a file system of their own."""
    return min(shutil.disk_usage(path).free for path in (config.data, config.data / "results") if path.exists()) / 1e9


def quarantine(path: Path, bad: Path) -> None:
    """Move a damaged file or folder out of the way, so that it can be looked at."""
    bad.mkdir(parents=True, exist_ok=True)
    os.replace(path, bad / f"{time.time_ns()}-{path.name}")
