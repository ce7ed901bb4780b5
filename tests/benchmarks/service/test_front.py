"""The front page: what changed most, units that fit, the other engines over time, and nothing that a name could inject."""

import json
import re
from html.parser import HTMLParser

import pytest

from benchmarks.service.front import change, comparisons, peers_rows, quantity, render
from benchmarks.service.mirror import Mirror
from tests.benchmarks.service.scratch import Repository

VOID = {"meta", "link", "br"}


class Checker(HTMLParser):
    """Fails where tags do not match; collects addresses."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00123, "seconds", "1.23 ms"), (4.5e-10, "seconds", "4.5e-10 seconds"), (2, "seconds", "2 s"), (3 * 2**20, "bytes", "3 MiB"),
        (1.23456, "ratio", "1.23 ratio"), (7, "unit", "7"),
    ],
)  # fmt: skip
def test_quantity(value: float, unit: str, text: str):
    assert quantity(value, unit) == text


def test_change():
    facts = {"before": 0.5, "after": 2.0}
    assert change(facts | {"unit": "seconds"}) == "500 ms → 2 s" and change(facts | {"unit": "ratio"}) == "0.5 → 2 ratio"


def test_page(store, record):
    store.put_record(record, "A record")
    change = {"entry": "x<script>", "setting": "THREADS=1", "unit": "seconds", "before": 1.0}
    changes = [{**change, "after": 0.5, "ratio": 0.5}, {**change, "entry": "slow", "after": 2.0, "ratio": 2.0}]
    row = {"network": "googlenet", "batch": 1, "threads": 2, "best_other": "openvino"}
    peers = [
        {"commit": "e" * 40, "day": "2026-01-02", "cpu": "<box>", "rows": [row | {"ratio": ratio}, row | {"batch": 8, "ratio": None}]}
        for ratio in (0.9, 1.4)
    ]
    front = {"commit": "d" * 40, "subject": "Newest", "date": "2026-01-01", "changes": changes, "peers": peers}
    page = render(front, {"measured": 4, "phase": "waiting", "failed": ["a"], "reasons": ["disk low"]}, store)
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and not any(re.match("(https?:)?//", a) for a in checker.addresses if a not in str(record))
    assert "<script" not in page and "x&lt;script&gt;" in page
    for piece in ("disk low", "Newest", "+100.0 %", "-50.0 %", "1 without a", "width=device-width", "1 s → 2 s"):
        assert piece in page
    for piece in ("0.90 →", "×1.40", "openvino", "eeeeeeee", "&lt;box&gt;"):
        assert piece in page
    assert page.index("Slowest changes") < page.index("Fastest changes") < page.index("Other engines")


def test_page_of_nothing(store):
    assert "None yet" in render({}, {}, store) and "All is well" in render({}, {}, store)


def test_other_engines_over_the_branchs_history(config, tmp_path):
    """Every comparison that was committed is there, whenever the service was set up; what cannot be read is passed over."""
    repo = Repository(tmp_path / "repo")

    def compared(*ratios: float | None) -> str:
        rows = [{"network": f"n{i}", "batch": 1, "threads": 1, "ratio": r, "best_other": "o", "engines": {}} for i, r in enumerate(ratios)]
        return json.dumps({"machine": {"cpu": "box"}, "rows": rows})

    shas = [repo.commit("first", results__peers_dot_json=compared(1.0, 1.1))]
    repo.commit("nothing new")
    shas.append(repo.commit("second", results__peers_dot_json=compared(1.5)))
    repo.commit("half of a file", results__peers_dot_json="{")
    repo.git("rm", "--quiet", "results/peers.json")
    repo.commit("gone")
    shas.append(repo.commit("third", results__peers_dot_json=compared(None, 1.2)))
    mirror = Mirror(config)
    mirror.fetch()
    found = comparisons(mirror, "results/peers.json")
    assert [comparison["commit"] for comparison in found] == shas
    assert [(row["network"], row["ratios"]) for row in peers_rows(found)] == [("n0", [1.0, 1.5]), ("n1", [1.1, 1.2])]
    assert comparisons(mirror, "never.json") == []
