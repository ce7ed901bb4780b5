"""Builds the wheel of one commit for asv, without build isolation, and through ccache where there is one.

    python benchmarks/build_wheel.py SOURCE WHEELS

asv.conf.json calls it in asv's environment. Isolation would build against headers in a new temporary path each time, which ccache
would take for new code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PIP_WHEEL = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")


def compiler() -> str:
    """The C compiler, behind ccache if that is installed."""
    chosen = os.environ.get("CC", "gcc")
    return f"ccache {chosen}" if shutil.which("ccache") and "ccache" not in chosen else chosen


def main(source: str, wheels: str) -> int:
    """Build; pip's exit code."""
    return subprocess.call([sys.executable, *PIP_WHEEL, "--wheel-dir", wheels, source], env={**os.environ, "CC": compiler()})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
