"""Check the Host of Ray Serve's own routes, /-/healthz and /-/routes, which the application never sees."""

from __future__ import annotations

import os

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..config.host_names import host_of
from .checked_hosts import are_allowed, checked_hosts
from .error_responses import Refusal
from .paths import route_path
from .raw_refusals import refuse_before_the_application

ROUTES = ("/-/healthz", "/-/routes")
OTHER_HOST = Refusal(
    400,
    "invalid_host",
    "this service does not accept that Host; its operator can add it to allowed_hosts",
    "host",
)


def is_serves_own(scope: Scope) -> bool:
    """Return whether Serve handles this path by itself, whatever the application is."""
    return route_path(scope).lower() in ROUTES


class CheckedHosts:
    """Middleware before Serve's own code that refuses requests for these routes under another host name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._allowed = checked_hosts(os.environ)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope["type"] == "http" and is_serves_own(scope) and not self._allows(scope)
        if refused:
            request_id = Headers(scope=scope).get("x-request-id", "")
            await refuse_before_the_application(OTHER_HOST, request_id, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        if self._allowed is None:
            return True
        given = Headers(scope=scope).getlist("host")
        if not given:
            return scope.get("http_version") == "1.0"
        host = host_of(given[0]) if len(given) == 1 else None
        return host is not None and are_allowed(host, self._allowed)
