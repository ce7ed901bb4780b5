"""The front page: what changed most, units that fit, the other engines over time, and nothing that a name could inject."""

import re
from html.parser import HTMLParser

import pytest

from benchmarks.service.files import write_json
from benchmarks.service.front import change, peers_rows, quantity, render

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
    front = {"commit": "d" * 40, "subject": "Newest", "date": "2026-01-01", "changes": changes}
    for ratio in (0.9, 1.4):
        row = {"network": "googlenet", "batch": 1, "threads": 2, "ratio": ratio, "best_other": "openvino"}
        write_json(store.path / "peers" / f"{ratio}.json", {"rows": [row, {**row, "batch": 8, "ratio": None}]})
    page = render(front, {"measured": 4, "phase": "waiting", "failed": ["a"], "reasons": ["disk low"]}, store)
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and not any(re.match("(https?:)?//", a) for a in checker.addresses if a not in str(record))
    assert "<script" not in page and "x&lt;script&gt;" in page
    for piece in ("disk low", "Newest", "+100.0 %", "-50.0 %", "×1.40", "openvino", "1 without a", "width=device-width", "1 s → 2 s"):
        assert piece in page
    assert page.index("Slowest changes") < page.index("Fastest changes") < page.index("Other engines")


def test_page_of_nothing(store):
    assert "None yet" in render({}, {}, store) and "All is well" in render({}, {}, store)


def test_ratios_over_time(store):
    for i, ratio in enumerate((1.0, 1.5, None, 2.0)):
        row = {"network": "n", "batch": 1, "threads": 1, "ratio": ratio, "best_other": "o"}
        write_json(store.path / "peers" / f"{i}.json", {"rows": [row]})
    (row,) = peers_rows(store.snapshots("peers"))
    assert row["ratios"] == [1.0, 1.5, 2.0] and row["ratio"] == 2.0
