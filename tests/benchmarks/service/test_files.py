"""Writing aside and renaming: the old content or the new one, never half of it."""

import errno
import os
from pathlib import Path

import pytest

from benchmarks.service import files


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch):
    path = tmp_path / "folder" / "a.json"
    files.write_json(path, {"x": 1})

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_json(path, {"x": 2})
    assert files.read_json(path) == {"x": 1} and os.listdir(path.parent) == ["a.json"]


def test_what_cannot_be_read_is_none(tmp_path: Path):
    (tmp_path / "half.json").write_text('{"x": ')
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    assert [files.read_json(tmp_path / name) for name in ("half.json", "binary.json", "none.json")] == [None] * 3


def test_quarantine_keeps_both_of_one_name(tmp_path: Path):
    for text in ("a", "b"):
        (tmp_path / "x").write_text(text)
        files.quarantine(tmp_path / "x", tmp_path / "bad")
    assert sorted(path.read_text() for path in (tmp_path / "bad").iterdir()) == ["a", "b"]
