"""The webhook with its outbox, and the feed."""

import hashlib
import hmac
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import feedparser
import pytest

from benchmarks.service import notify
from benchmarks.service.notify import LONGEST_PAUSE, Outbox, feed


@pytest.fixture
def hook():
    """A receiver: what it got, and the status that it answers with."""
    got: list[tuple[dict, bytes]] = []
    answer = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answer[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/x", got, answer
    server.shutdown()
    server.server_close()


def test_delivered_once_and_signed(config, store, record, hook, tmp_path):
    url, got, _ = hook
    (tmp_path / "secret").write_text("key\n")
    config = replace(config, webhook_url=url, webhook_secret_file=tmp_path / "secret")
    store.put_record(record, "A record")
    outbox = Outbox(config, store)
    assert outbox.deliver() == outbox.deliver() == ""
    ((headers, body),) = got
    assert headers["X-Signature-256"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    sent = json.loads(body)
    assert (sent["event"], sent["commit"], sent["parent"], sent["reproduce"]) == ("regression", "c" * 40, "b" * 40, "asv continuous b c")
    assert [series["entry"] for series in sent["series"]] == ["b", "a<b>"] and sent["series"][1]["reference"] == 1.01
    assert store.records()[0]["events"][0]["delivered"]


def test_a_crash_after_delivery_repeats_the_same_id(config, store, record, hook):
    url, got, _ = hook
    config = replace(config, webhook_url=url)
    for _ in range(2):  # the second time, the note of the first delivery was lost
        store.put_record(record, "A record")
        Outbox(config, store).deliver()
    assert len(got) == 2 and got[0][0]["X-Event-Id"] == got[1][0]["X-Event-Id"]


def test_a_webhook_that_is_down_gets_it_later(config, store, record, hook, monkeypatch):
    """Tries lie farther and farther apart, the trouble stays until one succeeds, and a new service tries at once."""
    url, got, answer = hook
    config = replace(config, webhook_url=url)
    clock = [1000.0]
    monkeypatch.setattr(notify.time, "monotonic", lambda: clock[0])
    answer[0] = 500
    store.put_record(record, "A record")
    outbox, tried = Outbox(config, store), []
    for second in range(1000, 16000, 30):
        clock[0], before = second, len(got)
        assert "500" in outbox.deliver()
        tried += [second] * (len(got) - before)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses == [60, 120, 240, 480, 960, 1920, *[LONGEST_PAUSE] * 3]
    assert not store.records()[0]["events"][0]["delivered"]
    answer[0] = 200
    outbox = Outbox(config, store)
    before = len(got)
    assert outbox.deliver() == outbox.deliver() == "" and len(got) == before + 1


def test_without_a_webhook_nothing_is_sent(config, store, record):
    store.put_record(record, "A record")
    Outbox(config, store).deliver()
    assert store.records()[0]["events"][0]["delivered"] == ""


def test_feed_parses_and_says_everything(config, record):
    record["events"].append({"kind": "resolved", "at": "2026-01-05T00:00:00Z", "delivered": "", "note": "measured again at ffffffff"})
    parsed = feedparser.parse(feed([record], config))
    assert not parsed.bozo and parsed.feed.updated == "2026-01-05T00:00:00Z"
    resolved, regression = parsed.entries
    assert regression.title == "25 % slower: b and 1 more, since cccccccc (Make <it> slow)"
    assert regression.updated == "2026-01-03T00:00:00Z" and regression.link.endswith("#b")
    text = regression.content[0].value
    for piece in (
        "c" * 40,
        "Ada &amp; Eve",
        "Make &lt;it&gt; slow",
        "1.25",
        "1.100 to 1.300, 99.2 %, 8 pairs",
        "+1.0 %",
        "asv continuous b c",
    ):
        assert piece in text
    assert resolved.title.startswith("Resolved: the slowdown of cccccccc") and "measured again" in resolved.content[0].value
    assert len({resolved.id, regression.id}) == 2
    assert feed([record], config) == feed([record], config)


def test_empty_feed_parses(config):
    assert not feedparser.parse(feed([], config)).bozo
