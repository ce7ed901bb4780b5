"""The configuration of the service: a TOML file, or the default that `make dashboard` uses on this repository.

Read by `__main__` and `runner`. Unknown keys and wrong types are errors, so that a misspelt key is never silently a default.
"""

from __future__ import annotations

import subprocess
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Config:
    """What is measured, where it is kept, when it counts as trouble, and who is told."""

    repo: str  # path or URL of the git repository
    data: Path  # everything that the service writes
    branch: str = "main"
    asv_config: str = "asv.conf.json"  # in the repository
    start: str = ""  # first commit to measure; empty: the newest `history` commits
    history: int = 50
    stride_above: int = 20  # with more commits waiting, a coarse grid of them is measured first
    machine: str = ""  # asv's machine name; empty: the host name
    poll_seconds: float = 300.0
    publish_seconds: float = 600.0  # least time between two publications while commits wait
    run_timeout: float = 6 * 3600.0  # for one asv command
    retries: int = 3  # of a commit that gives no result
    retry_seconds: float = 600.0  # before the second try; doubled each time
    threshold: float = 0.05  # least slowdown that counts; A/A runs can only raise it
    alert: str = "."  # regular expression: benchmarks that raise alerts
    reference: str = ""  # regular expression: benchmarks that measure the machine and not the project
    max_drift: float = 0.10  # of a reference, relative to its median so far
    pairs: int = 12  # measurements of base and culprit that confirm a regression
    aa_days: float = 7.0  # between two runs of a commit against itself; 0: never
    aa_runs: int = 8
    min_free_gb: float = 2.0
    stale_hours: float = 24.0
    host: str = "127.0.0.1"
    port: int = 8765
    public_url: str = ""  # for links in alerts and feed; empty: http://host:port
    webhook_url: str = ""
    webhook_secret_file: Path | None = None
    peers: Path | None = None  # peers.json of the comparison with other engines
    vendor: Path | None = None  # the dashboard's JavaScript; default: data/vendor
    environment: dict[str, str] = field(default_factory=dict)  # for asv and its builds

    @property
    def url(self) -> str:
        """The dashboard's address, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def vendor_dir(self) -> Path:
        """Where the vendored JavaScript lies."""
        return self.vendor or self.data / "vendor"


def parse(text: str, base: Path) -> Config:
    """The configuration in TOML `text`; relative paths start at `base`.

    Raises
    ------
    ValueError
        A key is unknown or missing, or a value has the wrong type or is out of range; the message names it.
    """
    given = tomllib.loads(text)
    known = {f.name: f for f in fields(Config)}
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"unknown keys in the configuration: {', '.join(unknown)}; known are {', '.join(known)}")
    if missing := [name for name in ("repo", "data") if name not in given]:
        raise ValueError(f"the configuration has no {' and no '.join(missing)}")
    values = {}
    for name, value in given.items():
        kind = str(known[name].type)
        if kind.startswith("Path"):
            expected: tuple[type, ...] = (str,)
        else:
            expected = {"str": (str,), "int": (int,), "float": (int, float), "dict[str, str]": (dict,)}[kind]
        if not isinstance(value, expected) or isinstance(value, bool):
            raise ValueError(f"{name} must be of type {kind}, got {value!r}")
        values[name] = base / Path(value).expanduser() if kind.startswith("Path") else value
    if "://" not in values["repo"] and ":" not in values["repo"]:
        values["repo"] = str((base / Path(values["repo"]).expanduser()).resolve())
    config = Config(**values)
    limits = {"history": 1, "stride_above": 1, "retries": 1, "aa_runs": 4, "pairs": 8, "threshold": 0.001, "max_drift": 0.001}
    for name, least in limits.items():
        if getattr(config, name) < least:
            raise ValueError(f"{name} must be at least {least}, got {getattr(config, name)}")
    return config


def load(path: Path | None) -> Config:
    """The configuration in the file at `path`; without one, this repository's current branch, kept under .asv/."""
    if path is not None:
        return parse(path.read_text(), path.resolve().parent)
    git = ["git", "-C", str(ROOT), "symbolic-ref", "--short", "HEAD"]
    branch = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "main"
    return parse(DEFAULT.format(branch=branch, root=ROOT), ROOT)


# `make dashboard`: alerts come from ratios to the reference kernel, times are for people.
DEFAULT = """
repo = "."
data = ".asv/service"
branch = "{branch}"
history = 20
poll_seconds = 30
alert = "track_ratio"
reference = "bench_reference"
peers = "benchmarks/results/peers.json"
vendor = ".asv/vendor"
[environment]
PIP_CONSTRAINT = "{root}/benchmarks/constraints.txt"
PYTHONHASHSEED = "0"
"""
