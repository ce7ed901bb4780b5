"""The JavaScript that asv's pages load from other hosts, fetched once and served from here: ``python -m benchmarks.service.vendor FOLDER``.

Each file comes out of a package of the npm registry, fetched with npm, and must have the hash written here. A folder that holds all of
them is used as it is, so it can be copied to a machine without a network. Used by `publish`.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service.files import write_atomic


@dataclass(frozen=True)
class Vendored:
    """A file, the package it comes from, and the address in asv's index.html that it stands for."""

    package: str
    member: str
    address: str  # regular expression
    sha256: str

    @property
    def name(self) -> str:
        """The file's name here."""
        return Path(self.member).name


CLOUDFLARE, JSDELIVR = "https://cdnjs.cloudflare.com/ajax/libs", "https://cdn.jsdelivr.net/npm"
FLOT = "jquery-flot@0.8.3", f"{CLOUDFLARE}/flot/0.8.3"
FILES = (
    Vendored(
        "jquery@3.3.1", "dist/jquery.min.js", "https://code.jquery.com/jquery-3.3.1.min.js",
        "160a426ff2894252cd7cebbdd6d6b7da8fcd319c65b70468f10b6690c45d02ef",
    ),
    Vendored(
        FLOT[0], "jquery.flot.js", f"{FLOT[1]}/jquery.flot.min.js",
        "b7b931f273c38b1277b9c6c1f4e05c4ec09885a487bddaf3279e2d7e49a38e12",
    ),
    Vendored(
        FLOT[0], "jquery.flot.time.js", f"{FLOT[1]}/jquery.flot.time.min.js",
        "a582c832adc7138a6b05aaf61f16ebac274701f1be4afea77e739a1c34b9c41a",
    ),
    Vendored(
        FLOT[0], "jquery.flot.selection.js", f"{FLOT[1]}/jquery.flot.selection.min.js",
        "e6c85f6c1ebe4b4da29d8ae238c7c5060283f05f7ef054f6b91817d02c092918",
    ),
    Vendored(
        FLOT[0], "jquery.flot.categories.js", f"{FLOT[1]}/jquery.flot.categories.min.js",
        "6e81664b28ea795c734906f4aa15614640a75ac7fbd399a7fb9084040698351a",
    ),
    Vendored(
        "flot-orderbars@1.0.0", "js/jquery.flot.orderBars.js", f"{JSDELIVR}/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js",
        "39735b4f46f96ff4e082572401f47c55a2767b366fd1d1e821e44a8d830a12bf",
    ),
    Vendored(
        "stupid-table-plugin@1.1.3", "stupidtable.min.js", f"{CLOUDFLARE}/stupidtable/1.0.1/stupidtable.min.js",
        "4642380f28ebe9ed7cac251793b281ef8620c4386205d92788f9b12f5cceb4e0",
    ),
    Vendored(
        "blueimp-md5@2.19.0", "js/md5.min.js", f"{CLOUDFLARE}/blueimp-md5/2.19.0/js/md5.min.js",
        "64d7ded388c562e4bde9e58ce205e5fa01b9734fcd434d496eb7b4fbfe9b927d",
    ),
    Vendored(
        "bootstrap@3.1.1", "dist/js/bootstrap.min.js", f"{JSDELIVR}/bootstrap@3.1.1/dist/js/bootstrap.min.js",
        "898d05a17f2cfc5120ddcdba47a885c378c0b466f30f0700e502757e24b403a1",
    ),
    Vendored(
        "bootstrap@3.1.1", "dist/css/bootstrap.min.css", f"{JSDELIVR}/bootstrap@3.1.1/dist/css/bootstrap.min.css",
        "e9503448692b738dd260fbd7f7cabf2e11f09b600fa97e6eb3a56eba5b1a7e9b",
    ),
)  # fmt: skip
FOREIGN = re.compile(r"<(?:script|link)\b[^>]*?\b(?:src|href)\s*=\s*[\"'](?:https?:)?//([^\"']*)", re.I)


class VendorError(RuntimeError):
    """A file cannot be had, or is not what it should be."""


def good(path: Path, file: Vendored) -> bool:
    """Whether the file is there with the right content."""
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def fetch(package: str, wanted: list[Vendored], folder: Path) -> None:
    """Take files out of a package of the npm registry."""
    with tempfile.TemporaryDirectory() as here:
        try:
            subprocess.run(["npm", "pack", "--silent", package], cwd=here, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            raise VendorError(f"npm could not fetch {package} ({error}); a filled folder may be copied to {folder}") from None
        (archive,) = Path(here).glob("*.tgz")
        with tarfile.open(archive) as opened:
            for file in wanted:
                member = opened.extractfile(f"package/{file.member}")
                data = member.read() if member else b""
                if hashlib.sha256(data).hexdigest() != file.sha256:
                    raise VendorError(f"{file.member} of {package} does not have the expected hash")
                write_atomic(folder / file.name, data)


def ensure(folder: Path) -> None:
    """Fetch what is missing or damaged in the folder."""
    lacking = [file for file in FILES if not good(folder / file.name, file)]
    for package in dict.fromkeys(file.package for file in lacking):
        fetch(package, [file for file in lacking if file.package == package], folder)


def localise(html: str) -> str:
    """asv's index.html with every file taken from vendor/ instead of another host.

    Raises
    ------
    VendorError
        The page still loads something from elsewhere: asv has changed.
    """
    for file in FILES:
        tag = re.compile(rf"(<(?:script|link)\b[^>]*?)\b(src|href)\s*=\s*\"{re.escape(file.address)}\"([^>]*)>")
        html = tag.sub(lambda found, name=file.name: f'{found[1]}{found[2]}="vendor/{name}"{plain(found[3])}>', html)
    if foreign := FOREIGN.findall(html):
        raise VendorError(f"asv's page loads files from other hosts that are not known here: {', '.join(foreign)}")
    return html


def plain(attributes: str) -> str:
    """A tag's attributes without those that only make sense for another host."""
    return re.sub(r'\s(?:integrity|crossorigin|referrerpolicy|onerror)="[^"]*"', "", attributes)


if __name__ == "__main__":
    ensure(Path(sys.argv[1]))
