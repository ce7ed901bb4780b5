"""How asv is called: its configuration with absolute paths, and the environment variables that keep results comparable.

Called by compare.py, by `make bench` and by the benchmark service. ``python -m benchmarks.run_asv ARGUMENTS…`` is asv itself with those
variables, on asv.conf.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "asv.conf.json"
CONSTRAINTS = ROOT / "benchmarks" / "constraints.txt"
WHEELHOUSE = ROOT / ".asv" / "wheelhouse"
PATHS = ("repo", "benchmark_dir", "env_dir", "results_dir", "html_dir")
COMMANDS = ("build_command", "install_command")


def config(**changed: object) -> dict:
    """asv.conf.json, good for any working directory; ``changed`` replaces entries, such as ``results_dir``."""
    made = json.loads(CONFIG.read_text())
    for key in PATHS:
        made[key] = str(ROOT / made[key])
    for key in COMMANDS:
        made[key] = [command.replace("{conf_dir}", str(ROOT)) for command in made[key]]
    return made | changed


def variables(wheelhouse: Path = WHEELHOUSE) -> dict[str, str]:
    """What is set for an asv process: pinned packages, and no network where a wheelhouse was filled."""
    made = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONHASHSEED": "0"}
    if wheelhouse.is_dir():
        made |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelhouse)}
    return made


def machine_known() -> bool:
    """Whether asv knows this machine; it would ask otherwise."""
    return (Path.home() / ".asv-machine.json").exists()


def asv(*arguments: str, **options) -> subprocess.CompletedProcess:
    """Run asv; ``options`` are those of subprocess.run."""
    command = [sys.executable, "-m", "asv"]
    if not machine_known():
        subprocess.run([*command, "machine", "--yes"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return subprocess.run([*command, *arguments], env={**os.environ, **variables()}, check=False, **options)


if __name__ == "__main__":
    sys.exit(asv(*sys.argv[1:], cwd=ROOT).returncode)
