"""Check the host that a request names and, if changes need no key, the site of the page that sent it.

Another site can point its own name at 127.0.0.1 (DNS rebinding): the browser then treats this service as a
part of that site, and sends that name as `Host`. Or its page sends requests here without being able to read
the responses (CSRF): the browser then says so in `Sec-Fetch-Site` or `Origin`. No page can forge these
headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..config.host_names import (
    host_of,
    is_address,
    is_loopback,
    matches,
    normalised,
    parsed,
)
from .error_responses import Refusal, refuse
from .paths import route_path
from .serve_routes import OTHER_HOST

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
PAINTS = re.compile(r"/v1/cast/[^/]+/sheet/?")
"""Paths at which GET paints, as only POST does elsewhere. A page could send it with an image tag."""
PROBES = ("/healthz", "/readyz")
"""Kubelets and load balancers call these at the pod's address, and `scenewright serve` at its own."""
DEFAULT_PORTS = {"http": "80", "https": "443"}


class Hosts:
    """Middleware that refuses requests to another host name, or from another site's page.

    `allowed` are the `allowed_hosts`. If keys are required, names are checked only if any are `allowed`, and
    only those count. Pages of the `allowed_origins` do not count as another site's.
    """

    def __init__(
        self, app: ASGIApp, allowed: Iterable[str], requires_keys: bool, origins: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._allowed = tuple(allowed)
        self._requires_keys = requires_keys
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal:
            await refuse(refusal, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        needs_key = self._requires_keys
        if (self._allowed or not needs_key) and not self._allows(scope, headers, needs_key):
            return OTHER_HOST
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        changes = changes or bool(scope["method"] != "OPTIONS" and PAINTS.fullmatch(route_path(scope)))
        if changes and not needs_key and self._is_from_another_site(headers):
            return Refusal(403, "forbidden", "a page from another site may not send this request")
        return None

    def _allows(self, scope: Scope, headers: Headers, needs_key: bool) -> bool:
        given = headers.getlist("host")
        if "*" in self._allowed:
            return True
        if not given:
            # Only an old client, which is no browser, may omit it: HTTP/1.1 requires a Host.
            return scope.get("http_version") == "1.0"
        host = host_of(given[0]) if len(given) == 1 else None
        if host is None:
            return False
        if matches(host, self._allowed):
            return True
        if route_path(scope) in PROBES and (is_address(host) or is_loopback(host)):
            return True
        return not needs_key and (is_loopback(host) or host == _reached_at(scope))

    def _is_from_another_site(self, headers: Headers) -> bool:
        origins = headers.getlist("origin")
        if len(origins) == 1 and origins[0] in self._origins:
            return False
        sites = headers.getlist("sec-fetch-site")
        if sites:
            return any(site.strip().lower() not in ("same-origin", "none") for site in sites)
        # Browsers omit Sec-Fetch-Site over plain HTTP, except on loopback. Older ones always omit it.
        return not all(self._is_own(origin.strip(), headers) for origin in origins)

    def _is_own(self, origin: str, headers: Headers) -> bool:
        """Return whether the origin is this service.

        X-Forwarded-Host can be trusted here: a page cannot add it without a CORS preflight.
        """
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        there, default = parsed(parts.netloc), DEFAULT_PORTS.get(parts.scheme)
        if there is None or default is None:
            return False  # This includes `null`: a page whose site the browser hides.
        name = normalised(there.host)
        forwarded = headers.get("x-forwarded-host", "").partition(",")[0]
        for here in (parsed(headers.get("host", "")), parsed(forwarded)):
            if here and (normalised(here.host), here.port or default) == (name, there.port or default):
                return True
        return matches(name, self._allowed)


def _reached_at(scope: Scope) -> str | None:
    """Return the address to which another machine connected. A name can be rebound, an address cannot."""
    client, server = (str((scope.get(end) or ("",))[0]) for end in ("client", "server"))
    return normalised(server) if is_address(server) and not is_loopback(client) else None
