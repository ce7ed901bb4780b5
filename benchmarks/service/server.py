"""The pages over HTTP, read-only: front page, asv's pages, health, status, regressions as JSON and Atom. Started by `__main__`.

It keeps nothing in memory: every answer comes from the files that the runner renames into place, so it stays right while the runner is
killed and started again.
"""

from __future__ import annotations

import time
from calendar import timegm
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from benchmarks.service import front, notify
from benchmarks.service.config import Config
from benchmarks.service.files import free_gb, read_json
from benchmarks.service.store import Store

SILENCE = 180.0  # seconds without a sign of the runner; it gives one at least every 30
HEADERS = {
    # asv's page has scripts of its own inside; nothing may come from, or go to, another host.
    "Content-Security-Policy": "default-src 'self' data:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def age(stamp: str | None) -> float:
    """Seconds since a time that `regressions.now` wrote; infinite when there is none."""
    return time.time() - timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")) if stamp else float("inf")


def health(config: Config) -> tuple[dict, list[str]]:
    """The runner's last report, and the reasons why the service is not well."""
    status = read_json(config.data / "status.json") or {}
    reasons = list(status.get("trouble", {}).values())
    free = free_gb(config)
    if free < config.min_free_gb:
        reasons.append(f"disk low: {free:.2f} GB free, {config.min_free_gb} wanted")
    silent = age(status.get("at"))
    if silent > SILENCE:
        reasons.append(f"the runner has not been heard of for {silent:.0f} s" if status else "the runner has not reported yet")
    since = min(age(status.get("last_success")), age(status.get("waiting_since")))
    if status.get("waiting") and since > 3600 * config.stale_hours:
        reasons.append(f"stale: {status['waiting']} commits wait, and none was measured for {since / 3600:.1f} h")
    return status | {"free_gb": round(free, 2)}, reasons


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


class Headers(BaseHTTPMiddleware):
    """Adds the headers that keep a browser on this host."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response


def application(config: Config) -> Starlette:
    """The application."""
    store = Store(config)

    def front_page(request: Request) -> Response:
        status, reasons = health(config)
        data = read_json(Path(config.data, "public", "current", "front.json")) or {}
        return HTMLResponse(front.render(data, status, reasons, store))

    def health_page(request: Request) -> Response:
        _, reasons = health(config)
        return JSONResponse({"healthy": not reasons, "reasons": reasons}, 503 if reasons else 200)

    def status_page(request: Request) -> Response:
        status, reasons = health(config)
        return JSONResponse(status | {"healthy": not reasons, "reasons": reasons})

    def regressions_json(request: Request) -> Response:
        return JSONResponse({"regressions": store.records()})

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
    return Starlette(routes=routes, middleware=[Middleware(Headers)])
