"""Translate paths between routes and callers, whatever prefix precedes them, and serve HEAD as GET.

Two prefixes can precede the routes: `http_options.root_path` and an application's `route_prefix`. Both are in
`scope["path"]`, and in `scope["root_path"]` too. A reverse proxy may strip another one before we see it.
"""

from __future__ import annotations

import asyncio
import re

from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..config.host_names import parsed

FORWARDED = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+){1,16}")
AUTHORITY = re.compile(r"[A-Za-z0-9._~\[\]:-]{1,255}")
LONGEST_CHARS = 255
WAS_HEAD = "scenewright.head"


def route_path(scope: Scope) -> str:
    """Return the path without its prefix, by the function with which Starlette matches its own routes."""
    return get_route_path(scope)


def is_head(request: Request) -> bool:
    """Return whether a GET was sent as HEAD, for a route whose response is expensive to make."""
    return WAS_HEAD in request.scope


def link(request: Request, path: str) -> str:
    """Return the path, without the host, at which the caller reaches one of our paths.

    A prefix that a reverse proxy stripped is known only from X-Forwarded-Prefix. Any caller may send that
    header, but can mislead only itself.
    """
    prefix = str(request.scope.get("root_path", "")).rstrip("/")
    if not prefix:
        forwarded = request.headers.get("x-forwarded-prefix", "").rstrip("/")
        prefix = forwarded if len(forwarded) <= LONGEST_CHARS and FORWARDED.fullmatch(forwarded) else ""
    return prefix + path


def address(request: Request, path: str, base_url: str | None = None) -> str:
    """Return the absolute URL of one of our paths: below `base_url`, else as the request names the service.

    X-Forwarded-Proto and X-Forwarded-Host, which a proxy sends, are respected. Any caller may send them, but
    can mislead only itself.
    """
    if base_url is not None:
        return base_url + path
    headers = request.headers
    scheme = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    if scheme not in ("http", "https"):
        scheme = request.url.scheme
    forwarded = headers.get("x-forwarded-host", "").partition(",")[0].strip()
    for given in (forwarded, headers.get("host", "")):
        host = parsed(given)
        if host and host.host.isascii() and AUTHORITY.fullmatch(given):
            return f"{scheme}://{given}{link(request, path)}"
    return link(request, path)


class SlashAfterPrefix:
    """Redirect /paint to /paint/, to which the page's relative URLs refer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or route_path(scope):
            await self._app(scope, receive, send)
            return
        # A relative target keeps whatever precedes it, such as a proxy's prefix or TLS.
        query = scope.get("query_string", b"").decode("latin-1")
        target = f"./{scope['path'].rpartition('/')[2]}/" + (f"?{query}" if query else "")
        await RedirectResponse(target)(scope, receive, send)


class HeadAsGet:
    """Calls the application as for GET, passes on the headers of its response, and stops it there.

    A stream of events ends with its headers too. Routes need no code for it: a new GET route supports HEAD.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun = asyncio.Event()

        async def pass_start(message: Message) -> None:
            if message["type"] == "http.response.start" and not begun.is_set():
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                begun.set()

        requested = {**scope, "method": "GET", WAS_HEAD: True}
        answering = asyncio.ensure_future(self._app(requested, receive, pass_start))
        beginning = asyncio.ensure_future(begun.wait())
        try:
            await asyncio.wait({answering, beginning}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            if "route" in requested:
                scope["route"] = requested["route"]  # Outer middlewares label metrics with it.
            for task in (answering, beginning):
                task.cancel()
            await asyncio.gather(answering, beginning, return_exceptions=True)
