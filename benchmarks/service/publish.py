"""The site: published aside, its JavaScript vendored, checked, then swapped in with one rename. Called by `runner`.

`public/current` is a symbolic link to the newest good site; a failed publication leaves it alone. The two sites before it stay, since a
page that is being loaded may still ask for their files.
"""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks.service import vendor
from benchmarks.service.asv import Asv
from benchmarks.service.files import read_json, write_json


class PublishError(RuntimeError):
    """The new site is not good enough to be shown."""


def number(site: Path) -> int:
    """The site's number."""
    return int(site.name.removeprefix("site-"))


def check(html: Path) -> None:
    """Refuse a site in which asv's data is missing or damaged."""
    index = read_json(html / "index.json")
    if not index.get("benchmarks") or not index.get("graph_param_list"):
        raise PublishError("index.json has no benchmarks or no graphs")
    if not isinstance(read_json(html / "regressions.json").get("regressions"), list):
        raise PublishError("regressions.json is damaged")
    try:
        ET.parse(html / "regressions.xml")
    except (OSError, ET.ParseError) as error:
        raise PublishError(f"regressions.xml: {error}") from None


def publish(asv: Asv, front: dict) -> Path:
    """Make, check and show a new site with `front` as the data of its front page; its folder."""
    public = asv.config.data / "public"
    current = public / "current"
    shown = number(current.resolve()) if current.exists() else 0
    site = public / f"site-{shown + 1}"
    shutil.rmtree(site, ignore_errors=True)  # what an interrupted publication left
    html = site / "asv"
    asv.publish(html)
    vendor.ensure(asv.config.vendor_dir)
    (html / "vendor").mkdir()
    for file in vendor.FILES:
        shutil.copyfile(asv.config.vendor_dir / file.name, html / "vendor" / file.name)
    page = html / "index.html"
    page.write_text(vendor.localise(page.read_text()))
    check(html)
    write_json(site / "front.json", front)
    aside = public / "next"
    aside.unlink(missing_ok=True)
    aside.symlink_to(site.name)
    os.replace(aside, current)
    for old in sorted(public.glob("site-*"), key=number)[:-3]:
        shutil.rmtree(old, ignore_errors=True)
    return site
