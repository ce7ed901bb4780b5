"""JSON files that are never seen half written, and times. Used by every part of the service that writes.

What must outlast a loss of power is committed by `store`, and git syncs it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, aside and renamed: whoever reads finds what `path` held before or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".aside-{path.name}")
    aside.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    os.replace(aside, path)


def read_json(path: Path) -> dict:
    """The JSON object in a file; empty when there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def now(at: float | None = None) -> str:
    """The time, or another one, in UTC, as feeds want it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
