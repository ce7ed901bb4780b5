"""The swap: a site that is not good is never shown, and what an interruption left is removed."""

import json
from pathlib import Path

import pytest

from benchmarks.service.asv import AsvError
from benchmarks.service.publish import PublishError, publish

INDEX = {"benchmarks": {"a": {}}, "graph_param_list": [{}]}


class FakeAsv:
    """Writes what tests ask for in the place of asv's site."""

    def __init__(self, config, **changed):
        self.config = config
        page = '<html><script src="asv.js"></script></html>'
        self.files = {
            "index.html": page,
            "index.json": INDEX,
            "regressions.json": {"regressions": []},
            "regressions.xml": "<feed/>",
        } | changed

    def publish(self, html: Path) -> None:
        html.mkdir(parents=True)
        for name, content in self.files.items():
            if content is None:
                raise AsvError("asv publish failed")
            (html / name).write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    "damage",
    [
        {"index.json": "{"},
        {"index.json": {**INDEX, "benchmarks": {}}},
        {"regressions.json": "[]"},
        {"regressions.xml": "<feed>"},
        {"regressions.xml": None},
        {"index.html": '<script src="https://elsewhere/x.js"></script>'},
    ],
)
def test_the_old_site_stays(config, no_vendor, damage):
    shown = publish(FakeAsv(config), {"n": 1})
    for _ in range(2):
        with pytest.raises((PublishError, AsvError, ValueError, RuntimeError)):
            publish(FakeAsv(config, **damage), {})
        assert (config.data / "public" / "current").resolve() == shown
    assert publish(FakeAsv(config), {"n": 2}).name == "site-2"
    assert json.loads((config.data / "public" / "current" / "front.json").read_text()) == {"n": 2}


def test_three_sites_are_kept(config, no_vendor):
    for _ in range(12):
        publish(FakeAsv(config), {})
    assert sorted(path.name for path in (config.data / "public").iterdir()) == ["current", "site-10", "site-11", "site-12"]
