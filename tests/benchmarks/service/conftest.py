"""Fixtures of the service's tests: made-up sites, records and vendored files."""

from pathlib import Path

import pytest

from benchmarks.service import vendor
from benchmarks.service.config import Config, parse
from benchmarks.service.store import Store
from tests.benchmarks.service.scratch import TINY, Repository, Service


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with everything under the test's folder."""
    settings = 'min_free_gb = 0.001\npoll_seconds = 60\npublish_seconds = 0\nreference = "track_reference"\nalert = "ratio"\npairs = 8'
    made = parse(f'repo = "{tmp_path}/repo"\ndata = "{tmp_path}/data"\naa_days = 0\nmachine = "box"\n{settings}', tmp_path)
    made.data.mkdir()
    return made


@pytest.fixture
def store(config: Config) -> Store:
    """An empty store."""
    made = Store(config)
    made.open()
    return made


@pytest.fixture
def no_vendor(monkeypatch) -> None:
    """Empty files in the place of the vendored JavaScript: these tests load no page in a browser."""

    def fill(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for file in vendor.FILES:
            (folder / file.name).touch()

    monkeypatch.setattr(vendor, "ensure", fill)


@pytest.fixture
def record() -> dict:
    """A confirmed regression of two series, not yet delivered."""
    facts = {"before": 1.0, "low": 1.1, "high": 1.3, "confidence": 0.992, "pairs": 8, "unit": "ms", "env": "py3", "setting": "THREADS=1"}
    series = {
        "py3|a": {**facts, "entry": "a<b>", "after": 1.2, "ratio": 1.2, "reference": 1.01, "link": "http://h/asv/index.html#a"},
        "py3|b": {**facts, "entry": "b", "after": 1.25, "ratio": 1.25, "reference": None, "link": "http://h/asv/index.html#b"},
    }
    commit = {"commit": "c" * 40, "parent": "b" * 40, "subject": "Make <it> slow", "author": "Ada & Eve", "date": "2026-01-02T03:04:05Z"}
    event = {"kind": "regression", "at": "2026-01-03T00:00:00Z", "delivered": "", "note": ""}
    rest = {"next": 0, "found": "2026-01-03T00:00:00Z", "unbuildable": [], "reproduce": "asv continuous b c"}
    return {**commit, **rest, "series": series, "events": [event]}


@pytest.fixture
def tiny(tmp_path: Path) -> Repository:
    """The tiny compiled project with four commits."""
    repo = Repository(tmp_path / "repo", TINY)
    repo.shas = [repo.commit(f"number {i}") for i in range(4)]
    return repo


@pytest.fixture
def start(tmp_path: Path):
    """Starts services and closes them."""
    made: list[Service] = []

    def make(repo: Repository, **settings: object) -> Service:
        made.append(Service(tmp_path / f"service-{len(made)}", repo.path, **settings))
        return made[-1].start()

    yield make
    for service in made:
        service.close()
        assert service.children() == []
