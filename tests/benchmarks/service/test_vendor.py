"""asv's page without other hosts, and files that must have the hash they are pinned to."""

import importlib.util
import io
import subprocess
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks.service import vendor
from benchmarks.service.vendor import FILES, FOREIGN, VendorError, localise


def asv_page() -> str:
    """The page of the installed asv, which is not imported."""
    return Path(importlib.util.find_spec("asv").origin, "..", "www", "index.html").resolve().read_text()


def test_the_installed_asv_needs_exactly_these_files():
    page = asv_page()
    assert len(FOREIGN.findall(page)) == len(FILES)
    local = localise(page)
    assert FOREIGN.findall(local) == [] and 'js_load_failure()"' not in local and "integrity" not in local
    assert all(f'"vendor/{file.name}"' in local for file in FILES)
    assert local.count("<script") == page.count("<script") and local.count("<link") == page.count("<link")


def test_an_unknown_host_is_refused():
    with pytest.raises(VendorError, match=r"cdn\.example\.org/x\.js"):
        localise(asv_page() + '<script src="//cdn.example.org/x.js"></script>')


@pytest.fixture
def registry(monkeypatch):
    """A registry with one package, whose content tests choose."""
    calls = []
    content = [b"good"]

    def run(command, cwd, **options):
        calls.append(command[-1])
        with tarfile.open(Path(cwd, "p.tgz"), "w:gz") as archive:
            info = tarfile.TarInfo("package/dist/a.js")
            info.size = len(content[0])
            archive.addfile(info, io.BytesIO(content[0]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(vendor, "FILES", (replace(FILES[0], package="p@1", member="dist/a.js", sha256=sha256(b"good").hexdigest()),))
    monkeypatch.setattr(vendor.subprocess, "run", run)
    return calls, content


def test_fetched_once_and_again_when_damaged(registry, tmp_path: Path):
    calls, _ = registry
    vendor.ensure(tmp_path)
    vendor.ensure(tmp_path)
    assert calls == ["p@1"]
    (tmp_path / "a.js").write_bytes(b"")
    vendor.ensure(tmp_path)
    assert calls == ["p@1"] * 2 and (tmp_path / "a.js").read_bytes() == b"good"


def test_other_content_is_refused(registry, tmp_path: Path):
    registry[1][0] = b"evil"
    with pytest.raises(VendorError, match="does not have the expected hash"):
        vendor.ensure(tmp_path)
    assert not (tmp_path / "a.js").exists()


def test_without_npm_the_way_out_is_said(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(VendorError, match="a filled folder may be copied to"):
        vendor.ensure(tmp_path)
