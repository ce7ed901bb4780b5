"""The configuration of the service: a TOML file, or the default that `make dashboard` uses on this repository.

Read by `__main__`. Unknown keys and wrong types are errors, so that a misspelt key is never silently a default.
"""

from __future__ import annotations

import platform
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from benchmarks.run_asv import ROOT, variables

PATHS = ("data", "webhook_secret_file", "vendor")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Config:
    """What is measured, where it is kept, when it counts as trouble, and who is told."""

    repo: str  # path or URL of the git repository
    data: Path  # everything that the service writes
    branch: str = "main"
    asv_config: str = "asv.conf.json"  # in the repository
    history: Annotated[int, Field(ge=1)] = 50  # the newest so many commits are measured
    stride_above: Annotated[int, Field(ge=1)] = 20  # with more commits waiting, a coarse grid of them is measured first
    machine: str = platform.node() or "machine"  # asv's name for it
    poll_seconds: float = 300.0
    publish_seconds: float = 600.0  # least time between two publications while commits wait
    run_timeout: float = 6 * 3600.0  # for one asv command
    retries: Annotated[int, Field(ge=1)] = 3  # of a commit that gives no result
    retry_seconds: float = 600.0  # before the second try; doubled each time
    threshold: Annotated[float, Field(ge=0.001)] = 0.05  # least slowdown that counts; A/A runs can only raise it
    alert: str = "."  # regular expression: benchmarks that raise alerts
    reference: str = ""  # regular expression: benchmarks that measure the machine and not the project
    max_drift: Annotated[float, Field(ge=0.001)] = 0.10  # of a reference, relative to its median so far
    pairs: Annotated[int, Field(ge=8)] = 12  # measurements of base and culprit that confirm a regression; fewer than 8 give no 99 %
    aa_days: float = 7.0  # between two runs of a commit against itself; 0: never
    aa_runs: Annotated[int, Field(ge=4)] = 8
    min_free_gb: float = 2.0
    stale_hours: float = 24.0
    host: str = "127.0.0.1"
    port: int = 8765
    public_url: str = ""  # for links in alerts and feed; empty: http://host:port
    webhook_url: str = ""
    webhook_secret_file: Path | None = None
    peers: str = ""  # in the repository: peers.json of the comparison with other engines
    vendor: Path | None = None  # the dashboard's JavaScript; default: data/vendor
    environment: dict[str, str] = Field(default_factory=dict)  # for asv and its builds

    @property
    def url(self) -> str:
        """The dashboard's address, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def vendor_dir(self) -> Path:
        """Where the vendored JavaScript lies."""
        return self.vendor or self.data / "vendor"


def parse(text: str, base: Path) -> Config:
    """The configuration in TOML `text`; relative paths start at `base`. A mistake is a ValueError that names the key."""
    given = tomllib.loads(text)
    for key in PATHS:
        if isinstance(given.get(key), str):
            given[key] = base / Path(given[key]).expanduser()
    if isinstance(repo := given.get("repo"), str) and ":" not in repo:
        given["repo"] = str((base / Path(repo).expanduser()).resolve())
    return Config(**given)


def load(path: Path | None) -> Config:
    """The configuration in the file at `path`; without one, this repository's current branch, kept under .asv/."""
    if path is not None:
        return parse(path.read_text(), path.resolve().parent)
    git = ["git", "-C", str(ROOT), "symbolic-ref", "--short", "HEAD"]
    branch = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "main"
    return replace(parse(DEFAULT.format(branch=branch), ROOT), environment=variables())


# `make dashboard`: alerts come from ratios to the reference kernel and from memory, times are for people.
DEFAULT = """
repo = "."
data = ".asv/service"
branch = "{branch}"
history = 20
poll_seconds = 30
alert = "track_ratio|peakmem_|bytes"
reference = "bench_reference"
peers = "benchmarks/results/peers.json"
vendor = ".asv/vendor"
"""
