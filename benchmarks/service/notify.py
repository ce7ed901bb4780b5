"""Tells people: a signed webhook whose outbox is the records of the results repository, and an Atom feed.

An event of a record is undelivered until the webhook has answered, so a crash loses none. One that was delivered right before a crash is
sent again with the same id, which the receiver can tell from `X-Event-Id`. `runner` delivers, `server` shows the feed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
import urllib.error
import urllib.request
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

import jinja2

from benchmarks.service.config import Config
from benchmarks.service.regressions import now
from benchmarks.service.store import Store

log = logging.getLogger(__name__)
ATOM = "http://www.w3.org/2005/Atom"
TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
WAIT = 30.0  # seconds after a first failed delivery; doubled each time, up to an hour


def message(record: dict, event: dict, config: Config) -> dict:
    """What is sent: the record without its bookkeeping."""
    inner = {k: v for k, v in record.items() if k not in ("events", "series", "status")}
    return {**inner, "event": event["kind"], "at": event["at"], "note": event["note"], "dashboard": config.url, "series": shown(record)}


def shown(record: dict) -> list[dict]:
    """The series of a record, the largest slowdown first."""
    return sorted(record["series"].values(), key=lambda series: -series["ratio"])


def event_id(record: dict, event: dict) -> str:
    """A name for the event that never changes."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{record['id']}/{event['kind']}"))


def post(body: bytes, name: str, config: Config) -> None:
    """Send a message; it is signed with HMAC-SHA256 when there is a secret."""
    headers = {"Content-Type": "application/json", "X-Event-Id": name}
    if config.webhook_secret_file:
        secret = config.webhook_secret_file.read_bytes().strip()
        headers["X-Signature-256"] = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(config.webhook_url, body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read(1000)


class Outbox:
    """Delivers the events of the records, one after the other, and waits longer after each failure."""

    def __init__(self, config: Config, store: Store):
        self.config = config
        self.store = store
        self.failures = 0
        self.next = 0.0
        self.error = ""

    def undelivered(self) -> list[tuple[dict, dict]]:
        """The events that nobody was told of."""
        return [(record, event) for record in self.store.records() for event in record["events"] if not event["delivered"]]

    def deliver(self) -> None:
        """Send what is undelivered; without a webhook, the feed is all there is."""
        if not self.config.webhook_url or time.monotonic() < self.next:
            return
        for record, event in self.undelivered():
            body = json.dumps(message(record, event, self.config), sort_keys=True).encode()
            try:
                post(body, event_id(record, event), self.config)
            except (OSError, ValueError, urllib.error.HTTPError) as error:
                self.failures += 1
                self.error = f"{type(error).__name__}: {error}"
                self.next = time.monotonic() + min(3600.0, WAIT * 2 ** (self.failures - 1))
                log.warning("webhook failed", extra={"error": self.error, "failures": self.failures})
                return
            event["delivered"] = now()
            self.failures, self.error = 0, ""
            self.store.put({self.store.record_path(record): record}, f"Delivered: {event['kind']} {record['commit'][:8]}")
            log.info("delivered", extra={"event": event["kind"], "commit": record["commit"]})


def title(record: dict, event: dict) -> str:
    """One line."""
    if event["kind"] == "resolved":
        return f"Resolved: the slowdown of {record['commit'][:8]} ({record['subject']})"
    worst = shown(record)[0]
    more = f" and {len(record['series']) - 1} more" if len(record["series"]) > 1 else ""
    return f"{100 * (worst['ratio'] - 1):.0f} % slower: {worst['entry']}{more}, since {record['commit'][:8]} ({record['subject']})"


def content(record: dict, event: dict) -> str:
    """The alert as HTML."""
    return TEMPLATES.get_template("alert.html").render(record=record, event=event, series=shown(record))


def feed(records: list[dict], config: Config) -> bytes:
    """The Atom feed of all events, newest first."""
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed")

    def add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
        element = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
        element.text = text or None
        return element

    events = sorted(((e["at"], r["id"], r, e) for r in records for e in r["events"]), key=lambda item: item[:2], reverse=True)
    add(root, "id", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, config.repo + ' ' + config.branch)}")
    add(root, "title", f"Performance of {config.branch}")
    add(root, "updated", events[0][0] if events else "1970-01-01T00:00:00Z")
    add(root, "link", rel="self", href=f"{config.url}/regressions.xml")
    add(root, "link", rel="alternate", href=f"{config.url}/")
    add(add(root, "author"), "name", "benchmark service")
    for at, _, record, event in events:
        entry = add(root, "entry")
        add(entry, "id", f"urn:uuid:{event_id(record, event)}")
        add(entry, "title", title(record, event))
        add(entry, "updated", at)
        add(entry, "link", rel="alternate", href=shown(record)[0]["link"])
        add(entry, "content", content(record, event), type="html")
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)
