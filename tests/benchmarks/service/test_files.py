"""Writing aside and renaming: the old content or the new one, never half of it."""

import errno
from pathlib import Path

import pytest

from benchmarks.service import files


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch):
    path = tmp_path / "folder" / "a.json"
    files.write_json(path, {"x": 1})
    write = Path.write_bytes

    def full(self: Path, text: str) -> None:
        write(self, text[:3].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        files.write_json(path, {"x": 2})
    assert files.read_json(path) == {"x": 1}


@pytest.mark.parametrize("content", [b'{"x": ', b"\xff\xfe", b"[1]", b""])
def test_what_is_no_json_object_is_empty(tmp_path: Path, content: bytes):
    (tmp_path / "damaged.json").write_bytes(content)
    assert files.read_json(tmp_path / "damaged.json") == files.read_json(tmp_path / "missing.json") == {}
