"""The pages over HTTP: what they answer in every state of the data folder, and that they only ever read."""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace

import feedparser
import pytest

from benchmarks.service.__main__ import listen, start_server
from benchmarks.service.files import now, write_json
from benchmarks.service.server import health
from tests.benchmarks.service.scratch import free_port

PAGES = ("/", "/asv/", "/status.json", "/regressions.json", "/regressions.xml")


@pytest.fixture
def get(config):
    """Asks a running server: status, headers and body."""
    config = replace(config, port=free_port())
    status = {"phase": "waiting", "project": "tiny", "measured": 3, "trouble": {}}
    server, thread = start_server(config, status, listen(config))

    def ask(path: str, method: str = "GET") -> tuple[int, dict, bytes]:
        request = urllib.request.Request(f"{config.url}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    yield ask
    server.should_exit = True
    thread.join()


def site(config, name: str, text: str) -> None:
    """A published site, swapped in."""
    folder = config.data / "public" / name
    (folder / "asv" / "graphs").mkdir(parents=True)
    (folder / "asv" / "index.html").write_text(text)
    (folder / "asv" / "graphs" / "a b%c.json").write_text("[]")
    os.symlink(name, config.data / "public" / "next")
    os.replace(config.data / "public" / "next", config.data / "public" / "current")


def test_an_empty_folder(get):
    for path in PAGES:
        assert get(path)[0] == 200, path
    status, _, body = get("/health")
    assert status == 200 and json.loads(body) == {"healthy": True, "reasons": []}
    assert get("/nothing")[0] == 404


def test_pages_of_a_site(get, config, store, record):
    store.put_record(record, "A record")
    site(config, "site-1", "<p>asv</p>")
    write_json(config.data / "public" / "site-1" / "front.json", {})
    assert get("/health")[0] == 200
    assert get("/asv/")[2] == get("/asv/index.html")[2] == b"<p>asv</p>"
    assert get("/asv/graphs/a%20b%25c.json")[2] == b"[]"
    assert json.loads(get("/regressions.json")[2])["regressions"][0]["status"] == "open"
    assert not feedparser.parse(get("/regressions.xml")[2]).bozo
    text = get("/")[2].decode()
    assert "tiny: performance" in text and "Make &lt;it&gt; slow" in text and "×1.25" in text


def test_read_only_and_inside_its_folder(get, config):
    site(config, "site-1", "x")
    (config.data / "secret").write_text("s")
    for path in ("/asv/../../../secret", "/asv/%2e%2e/%2e%2e/secret", "/asv/..%2f..%2f..%2fsecret"):
        assert get(path)[0] == 404, path
    for path in (*PAGES, "/health"):
        for method in ("POST", "PUT", "DELETE"):
            assert get(path, method)[0] == 405, (path, method)
    headers = get("/")[1]
    assert "default-src 'self'" in {k.lower(): v for k, v in headers.items()}["content-security-policy"]


def test_a_swap_is_never_noticed(get, config):
    site(config, "site-1", "x" * 100_000)
    stop = threading.Event()

    def swap() -> None:
        number = 1
        while not stop.is_set():
            number += 1
            site(config, f"site-{number}", chr(ord("a") + number % 26) * 100_000)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(150):
            status, _, body = get("/asv/")
            assert status == 200 and len(body) == 100_000 and len(set(body)) == 1
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("status", "settings", "reason"),
    [
        ({}, {}, None),
        ({"trouble": {"publish": "publish failed: x"}}, {}, "publish failed: x"),
        ({"trouble": {"reference": "reference off by +12 %"}}, {}, "reference off"),
        ({}, {"min_free_gb": 1e9}, "disk low"),
        ({"waiting": 2, "waiting_since": 99, "last_success": 50}, {}, "stale: 2 commits wait"),
        ({"waiting": 2, "waiting_since": 99}, {}, "stale"),
        ({"waiting": 2, "waiting_since": 0.1, "last_success": 50}, {}, None),
        ({"waiting": 0, "last_success": 5000}, {}, None),
    ],
)
def test_health(config, status: dict, settings: dict, reason: str | None):
    times = {key: now(time.time() - 3600 * status[key]) for key in ("waiting_since", "last_success") if key in status}
    found = health(replace(config, **settings), status | times)
    assert found["healthy"] == (reason is None) and len(found["reasons"]) == (reason is not None)
    assert not reason or reason in found["reasons"][0]
