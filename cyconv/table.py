"""Records as a table: plain text for a terminal, Markdown for a document.

Imports nothing of cyconv, so every layer that reports figures (summaries, profiles, comparisons) can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction


class Table:
    """Figures as data and as text.

    Parameters
    ----------
    records : iterable of dict
        One a row. A cell may be None (printed empty), a string, a number, a bool or a tuple of numbers (printed ``3×3``).
    columns : mapping of str to str
        Which keys are printed, in which order, and their headings.
    notes : iterable of str
        Lines below the table: totals, units, conventions.
    title : str
        A line above it.
    """

    def __init__(self, records: Iterable[dict], columns: Mapping[str, str], notes: Iterable[str] = (), title: str = ""):
        self.records = list(records)
        self.columns = dict(columns)
        self.notes = list(notes)
        self.title = title

    def to_markdown(self) -> str:
        """The title, a pipe table with numbers on the right, and the notes."""
        rules = ["---:" if right else "---" for right in self._right_aligned()]
        rows = [list(self.columns.values()), rules, *self._cells()]
        table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
        return "\n\n".join(filter(None, [self.title, table, *self.notes])) + "\n"

    def __str__(self) -> str:
        rows = [list(self.columns.values()), *self._cells()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ["─" * width for width in widths])
        right = self._right_aligned()
        lines = ["  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip() for row in rows]
        return "\n".join([*filter(None, [self.title]), *lines, *self.notes])

    def _cells(self) -> list[list[str]]:
        return [[cell_text(record.get(key)) for key in self.columns] for record in self.records]

    def _right_aligned(self) -> list[bool]:
        """Whether each column holds nothing but numbers and empty cells."""
        return [all(isinstance(r.get(key), int | float | Fraction | None) for r in self.records) for key in self.columns]


def cell_text(value) -> str:
    """One cell: ``1,234``, ``0.1235``, ``3×3``; None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Fraction):
        return f"{float(value):.4g}"
    if isinstance(value, tuple):
        return "×".join(str(v) if isinstance(v, int) else f"{float(v):.4g}" for v in value)
    return str(value)
