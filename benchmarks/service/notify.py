"""Tells people: a signed webhook whose outbox is the records of the results repository, and an Atom feed.

An event of a record is undelivered until the webhook has answered, so a crash loses none. One that was delivered right before a crash is
sent again with the same id, which the receiver can tell from `X-Event-Id`. `runner` lets it deliver, `server` shows the feed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
import urllib.request
import uuid
from pathlib import Path

import jinja2

from benchmarks.service.config import Config
from benchmarks.service.files import now
from benchmarks.service.store import Store

log = logging.getLogger(__name__)
LONGEST_PAUSE = 3600.0  # seconds between two tries of a webhook that is away
TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)


def shown(record: dict) -> list[dict]:
    """The series of a record, the largest slowdown first."""
    return sorted(record["series"].values(), key=lambda series: -series["ratio"])


def event_id(record: dict, event: dict, config: Config) -> str:
    """A name for the event that never changes."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{config.repo} {record['commit']} {event['kind']}"))


def message(record: dict, event: dict, config: Config) -> dict:
    """What is sent: the record without its bookkeeping."""
    facts = {k: v for k, v in record.items() if k not in ("events", "next")}
    return facts | {"event": event["kind"], "at": event["at"], "note": event["note"], "dashboard": config.url, "series": shown(record)}


def post(body: bytes, name: str, config: Config) -> None:
    """Send a message; it is signed with HMAC-SHA256 when there is a secret."""
    headers = {"Content-Type": "application/json", "X-Event-Id": name}
    if config.webhook_secret_file:
        secret = config.webhook_secret_file.read_bytes().strip()
        headers["X-Signature-256"] = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    urllib.request.urlopen(urllib.request.Request(config.webhook_url, body, headers), timeout=10).close()


class Outbox:
    """Sends what is undelivered; while that fails, it waits twice as long before each next try."""

    def __init__(self, config: Config, store: Store):
        self.config = config
        self.store = store
        self.failed = ""
        self.pause = 0.0
        self.due = 0.0

    def deliver(self) -> str:
        """Send, when it is time for a try; what went wrong with the last one."""
        if time.monotonic() >= self.due:
            self.failed = self.send()
            self.pause = min(max(2 * self.pause, self.config.poll_seconds), LONGEST_PAUSE) if self.failed else 0.0
            self.due = time.monotonic() + self.pause
        return self.failed

    def send(self) -> str:
        """Send one event after the other; what went wrong. Without a webhook, the feed is all there is."""
        events = [(record, event) for record in self.store.records() for event in record["events"] if not event["delivered"]]
        for record, event in events if self.config.webhook_url else []:
            body = json.dumps(message(record, event, self.config), sort_keys=True).encode()
            try:
                post(body, event_id(record, event, self.config), self.config)
            except (OSError, ValueError) as error:
                return f"webhook failed: {type(error).__name__}: {error}"
            event["delivered"] = now()
            self.store.put_record(record, f"Delivered: {event['kind']} {record['commit'][:8]}")
            log.info("delivered", extra={"event": event["kind"], "commit": record["commit"]})
        return ""


def feed(records: list[dict], config: Config) -> str:
    """The Atom feed of all events, newest first."""
    events = [
        {**event, "id": event_id(record, event, config), "record": record, "series": shown(record)}
        for record in records
        for event in record["events"]
    ]
    events.sort(key=lambda event: (event["at"], event["id"]), reverse=True)
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{config.repo} {config.branch}")
    return TEMPLATES.get_template("feed.xml").render(id=name, branch=config.branch, url=config.url, events=events)
