"""The pages over HTTP: what they answer in every state of the data folder, and that they only ever read."""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import feedparser
import pytest

from benchmarks.service.__main__ import listen, start_server
from benchmarks.service.files import write_json
from benchmarks.service.regressions import now
from benchmarks.service.server import health
from tests.benchmarks.service.scratch import free_port

PAGES = ("/", "/asv/", "/status.json", "/regressions.json", "/regressions.xml")


@pytest.fixture
def get(config):
    """Asks a running server: status, headers and body."""
    config = replace(config, port=free_port())
    server, thread = start_server(config, listen(config))

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
    assert status == 503 and json.loads(body)["reasons"] == ["the runner has not reported yet"]
    assert get("/nothing")[0] == 404


def test_pages_of_a_site(get, config, store, record):
    store.put({store.record_path(record): record}, "A record")
    site(config, "site-1", "<p>asv</p>")
    write_json(config.data / "public" / "site-1" / "front.json", {})
    write_json(config.data / "status.json", {"at": now(), "project": "tiny", "measured": 3})
    assert get("/health")[0] == 200
    assert get("/asv/")[2] == get("/asv/index.html")[2] == b"<p>asv</p>"
    assert get("/asv/graphs/a%20b%25c.json")[2] == b"[]"
    assert json.loads(get("/regressions.json")[2])["regressions"][0]["id"] == "0123"
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


def stamp(ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))


@pytest.mark.parametrize(
    ("status", "settings", "reason"),
    [
        ({"at": 0}, {}, None),
        ({"at": 600}, {}, "the runner has not been heard of"),
        ({"at": 0, "trouble": {"publish": "publish failed: x"}}, {}, "publish failed: x"),
        ({"at": 0, "trouble": {"reference": "reference off by +12 %"}}, {}, "reference off"),
        ({"at": 0}, {"min_free_gb": 1e9}, "disk low"),
        ({"at": 0, "waiting": 2, "waiting_since": 99 * 3600, "last_success": 50 * 3600}, {}, "stale: 2 commits wait"),
        ({"at": 0, "waiting": 2, "waiting_since": 99 * 3600}, {}, "stale"),
        ({"at": 0, "waiting": 2, "waiting_since": 60, "last_success": 50 * 3600}, {}, None),
        ({"at": 0, "waiting": 0, "last_success": 5000 * 3600}, {}, None),
    ],
)
def test_health(config, status: dict, settings: dict, reason: str | None):
    times = {key: stamp(status[key]) for key in ("at", "waiting_since", "last_success") if key in status}
    write_json(Path(config.data, "status.json"), status | times)
    reasons = health(replace(config, **settings))[1]
    assert len(reasons) == (reason is not None) and (not reason or reason in reasons[0])
