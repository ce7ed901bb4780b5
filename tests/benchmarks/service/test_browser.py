"""The dashboard in headless Chromium that can reach no other host; pictures go to build/service-screenshots."""

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.benchmarks.service.scratch import ROOT, Repository, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PICTURES = ROOT / "build" / "service-screenshots"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """A service that found one slowdown in a short history and knows how other engines did."""
    folder = tmp_path_factory.mktemp("dashboard")
    repo = Repository(folder / "repo", Path(__file__).parent / "tiny")
    for i in range(5):
        rows = [{"network": "googlenet", "batch": 1, "threads": t, "ratio": 1.2 + i / 10 - t / 8, "best_other": "openvino"} for t in (1, 2)]
        repo.commit(f"number {i}", peers_dot_json=json.dumps({"machine": {"cpu": "a processor"}, "rows": rows}))
    repo.culprit = repo.edit("Easier to debug", "setup.py", '"work": "-O2"', '"work": "-O0"')
    for i in range(2):
        repo.commit(f"later {i}")
    service = Service(folder / "service", repo.path, peers="peers.json").start()
    service.wait(lambda: service.json("/regressions.json")["regressions"] and service.idle(8), 1200)
    yield service, repo
    service.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium that resolves no name and reaches no address but this machine's."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if not shutil.which("chromedriver"):
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", "--window-size=1280,900"):
        options.add_argument(flag)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = shutil.which("chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def look(dashboard, browser):
    """Opens a page, waits for something in it, takes a picture; fails on a script's error and on any address outside."""
    service, _ = dashboard

    def show(path: str, ready: str, name: str, wait: float = 60) -> str:
        browser.get("about:blank")
        browser.get(f"http://127.0.0.1:{service.port}{path}")
        end = time.monotonic() + wait
        while not browser.execute_script(f"return Boolean({ready})"):
            assert time.monotonic() < end, (browser.get_log("browser"), browser.page_source[:2000])
            time.sleep(0.2)
        time.sleep(0.5)
        browser.save_screenshot(str(PICTURES / f"{name}.png"))
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [url for url in asked if not url.startswith(f"http://127.0.0.1:{service.port}/")] == []
        assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
        return browser.execute_script("return document.body.innerText")

    return show


def test_graph_of_a_benchmark(look, browser):
    drawn = "document.querySelectorAll('#main-graph canvas').length >= 2 && document.querySelector('#main-graph').innerText.length > 10"
    look("/asv/index.html#bench_work.track_ratio", drawn, "graph")
    pixels = """
        const c = document.querySelector('#main-graph canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n"""
    assert browser.execute_script(pixels) > 500


def test_list_and_grid(look):
    look("/asv/index.html#/", "document.body.innerText.includes('track_ratio')", "grid")
    look("/asv/index.html#/summarylist", "document.querySelectorAll('#summarylist-body tr').length > 2", "list")


def test_regressions_page(look, dashboard):
    _, repo = dashboard
    text = look("/asv/index.html#/regressions", f"document.body.innerText.includes('{repo.culprit[:8]}')", "regressions")
    assert "track_ratio" in text


def test_front_page(look, dashboard):
    _, repo = dashboard
    text = look("/", "document.readyState == 'complete'", "front")
    assert "All is well" in text and "8 commits measured" in text
    for piece in (repo.culprit[:8], "Easier to debug", "Show it again", "googlenet", "1.38 →", "×1.48", "a processor"):
        assert piece in text, piece


def test_front_page_on_a_phone(look, browser):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        look("/", "document.readyState == 'complete'", "phone")
        wide = "return [document.documentElement, ...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert browser.execute_script(wide) == 0
        small = "return [...document.querySelectorAll('td, p, a')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 14).length"
        assert browser.execute_script(small) == 0
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
