"""The pages over HTTP, read-only: front page, asv's pages, health, status, regressions as JSON and Atom. Started by `__main__`.

But for the runner's status, which it is handed, every answer comes from the files that the runner renames into place.
"""

from __future__ import annotations

import shutil
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from benchmarks.service import front, notify
from benchmarks.service.config import Config
from benchmarks.service.files import read_json
from benchmarks.service.noise import age
from benchmarks.service.regressions import is_open
from benchmarks.service.store import Store


def free_gb(config: Config) -> float:
    """The room left, where it is least: the results may lie on a file system of their own."""
    return min(shutil.disk_usage(path).free for path in (config.data, config.data / "results") if path.exists()) / 1e9


def health(config: Config, status: dict[str, Any]) -> dict[str, Any]:
    """The runner's status, with the reasons why the service is not well."""
    reasons = list(status.get("trouble", {}).values())
    free = free_gb(config)
    if free < config.min_free_gb:
        reasons.append(f"disk low: {free:.2f} GB free, {config.min_free_gb} wanted")
    since = min(age(status.get("last_success")), age(status.get("waiting_since")))
    if status.get("waiting") and since > 3600 * config.stale_hours:
        reasons.append(f"stale: {status['waiting']} commits wait, and none was measured for {since / 3600:.1f} h")
    return status | {"free_gb": round(free, 2), "healthy": not reasons, "reasons": reasons}


class CurrentSite:
    """asv's pages out of whichever site is current: the link is followed once for each request, so a swap never splits one."""

    def __init__(self, config: Config):
        self.link = config.data / "public" / "current"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        folder = self.link.resolve() / "asv"
        if folder.is_dir():
            await StaticFiles(directory=folder, html=True)(scope, receive, send)
        else:
            await HTMLResponse("<p>No site has been published yet; see <a href='/'>the front page</a>.</p>")(scope, receive, send)


def application(config: Config, status: dict[str, Any]) -> Starlette:
    """The application; the runner keeps `status` up to date."""
    store = Store(config)

    def front_page(request: Request) -> Response:
        data = read_json(config.data / "public" / "current" / "front.json")
        return HTMLResponse(front.render(data, health(config, status), store))

    def health_page(request: Request) -> Response:
        reasons = health(config, status)["reasons"]
        return JSONResponse({"healthy": not reasons, "reasons": reasons}, 503 if reasons else 200)

    def status_page(request: Request) -> Response:
        return JSONResponse(health(config, status))

    def regressions_json(request: Request) -> Response:
        records = [record | {"status": "open" if is_open(record) else "resolved"} for record in store.records()]
        return JSONResponse({"regressions": records})

    def regressions_xml(request: Request) -> Response:
        return Response(notify.feed(store.records(), config), media_type="application/atom+xml")

    routes = [
        Route("/", front_page),
        Route("/health", health_page),
        Route("/status.json", status_page),
        Route("/regressions.json", regressions_json),
        Route("/regressions.xml", regressions_xml),
        Route("/asv", lambda request: RedirectResponse("/asv/")),
        Mount("/asv", CurrentSite(config)),
    ]
    return Starlette(routes=routes)
