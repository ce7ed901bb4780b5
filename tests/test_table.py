"""Tables as text and as Markdown."""

from fractions import Fraction

import pytest

from cyconv.table import Table, cell_text

RECORDS = [
    {"name": "conv|1", "shape": (1, 64, 7), "count": 1234567, "share": 0.98765, "hidden": 1},
    {"name": "pool", "shape": None, "count": None, "share": 2.0},
]
TABLE = Table(RECORDS, {"name": "layer", "shape": "output", "count": "n", "share": "%"}, ["A note.", "Another."], title="Title")


def test_text():
    assert str(TABLE).splitlines() == [
        "Title",
        "layer   output          n       %",
        "──────  ──────  ─────────  ──────",
        "conv|1  1×64×7  1,234,567  0.9877",
        "pool                            2",
        "A note.",
        "Another.",
    ]


def test_markdown():
    assert TABLE.to_markdown().splitlines() == [
        "Title",
        "",
        "| layer | output | n | % |",
        "| --- | --- | ---: | ---: |",
        "| conv\\|1 | 1×64×7 | 1,234,567 | 0.9877 |",
        "| pool |  |  | 2 |",
        "",
        "A note.",
        "",
        "Another.",
    ]


def test_records_are_kept():
    assert TABLE.records == RECORDS


def test_no_rows():
    empty = Table([], {"a": "first", "b": "second"})
    assert str(empty).splitlines() == ["first  second", "─────  ──────"]
    assert empty.to_markdown().splitlines()[0] == "| first | second |"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (-1234, "-1,234"),
        (1e-9, "1e-09"),
        (Fraction(1, 3), "0.3333"),
        ((), ""),
        ((3, 3), "3×3"),
        ((7 / 6, 2), "1.167×2"),
        ("plain", "plain"),
    ],
)
def test_cells(value, text):
    assert cell_text(value) == text
