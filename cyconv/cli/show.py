"""Showing figures, and telling people at a terminal what takes time. Part of the command line; used by its commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from cyconv.table import Table


def show(table: Table, form: str, **figures) -> None:
    """Print a table as text, Markdown, or JSON with further figures."""
    if form == "json":
        print(json.dumps({**figures, "records": table.records}, indent=1, ensure_ascii=False))
    else:
        print(table.to_markdown().rstrip() if form == "markdown" else table)


def note(text: str) -> None:
    """A line about what takes time, for people at a terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"{text} …", file=sys.stderr, flush=True)


def progress(items: list, what: str) -> Iterable:
    """``items``, with a bar, or a line where tqdm is not installed, for people at a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return items
    try:
        from tqdm import tqdm
    except ImportError:
        note(f"{what}: {len(items)}")
        return items
    return tqdm(items, desc=what, leave=False)
