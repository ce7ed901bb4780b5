"""The package itself: what importing it takes beyond NumPy, and how large a wheel it makes."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import cyconv
from benchmarks.setting import skip_where_pointless

PROGRAM = "import time, numpy; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
STATEMENTS = {"cyconv": "import cyconv", "everything": "import cyconv, cyconv.functional, cyconv.nn, cyconv.models, cyconv.io"}
PROCESSES = 15


def import_seconds(statement: str) -> float:
    """What a statement takes in a fresh process after NumPy was imported."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(statement)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def deflated_bytes(folder: Path) -> int:
    """Bytes of all files in a folder, each compressed as in a wheel."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sum(len(zlib.compress(path.read_bytes())) for path in files)


class Package:
    version = "1"

    def track_import(self, what):
        skip_where_pointless(one_thread=True, best_isa=True)
        return {"samples": [import_seconds(STATEMENTS[what]) for _ in range(PROCESSES)], "number": 1}

    track_import.params = tuple(STATEMENTS)
    track_import.param_names = ("what",)
    track_import.unit = "seconds"

    def track_wheel_bytes(self):
        skip_where_pointless(one_thread=True, best_isa=True)
        return deflated_bytes(Path(cyconv.__file__).parent)

    track_wheel_bytes.unit = "bytes"
