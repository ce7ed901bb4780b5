"""The JavaScript that asv's pages load from other hosts, fetched once and served from here: ``python -m benchmarks.service.vendor FOLDER``.

vendor.toml lists the files. Each comes out of a package of the npm registry, fetched with npm, and must have the hash that is written
there. A folder that holds all of them is used as it is, so it can be copied to a machine without a network. Used by `publish`.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Vendored:
    """A file, the package it comes from, and the address in asv's index.html that it stands for."""

    package: str
    member: str
    address: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's name here."""
        return Path(self.member).name

    def fits(self, data: bytes) -> bool:
        """Whether this is the file's content."""
        return hashlib.sha256(data).hexdigest() == self.sha256


FILES = [Vendored(**entry) for entry in tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["file"]]
FOREIGN = re.compile(r"<(?:script|link)\b[^>]*?\b(?:src|href)\s*=\s*[\"'](?:https?:)?//([^\"']*)", re.I)


class VendorError(RuntimeError):
    """A file cannot be had, or is not what it should be."""


def fetch(file: Vendored, folder: Path) -> None:
    """Take a file out of its package of the npm registry."""
    with tempfile.TemporaryDirectory() as here:
        try:
            subprocess.run(["npm", "pack", "--silent", file.package], cwd=here, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            raise VendorError(f"npm could not fetch {file.package} ({error}); a filled folder may be copied to {folder}") from None
        (archive,) = Path(here).glob("*.tgz")
        with tarfile.open(archive) as opened:
            member = opened.extractfile(f"package/{file.member}")
            data = member.read() if member else b""
    if not file.fits(data):
        raise VendorError(f"{file.member} of {file.package} does not have the expected hash")
    (folder / file.name).write_bytes(data)


def ensure(folder: Path) -> None:
    """Fetch what is missing or damaged in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        path = folder / file.name
        if not path.exists() or not file.fits(path.read_bytes()):
            fetch(file, folder)


def localise(html: str) -> str:
    """asv's index.html with every file taken from vendor/ instead of another host.

    Raises
    ------
    VendorError
        The page still loads something from elsewhere: asv has changed.
    """
    html = re.sub(r'\s(?:integrity|crossorigin|referrerpolicy|onerror)="[^"]*"', "", html)  # they only make sense for another host
    for file in FILES:
        html = html.replace(f'"{file.address}"', f'"vendor/{file.name}"')
    if foreign := FOREIGN.findall(html):
        raise VendorError(f"asv's page loads files from other hosts that are not known here: {', '.join(foreign)}")
    return html


if __name__ == "__main__":
    ensure(Path(sys.argv[1]))
