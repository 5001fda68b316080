"""Check the key before anything else; it names the tenant that the work belongs to.

A fixed list of paths needs no key. All others need one, under any prefix. Where a request comes from decides
nothing: behind a proxy or a sidecar all callers have one address.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.errors import NotReady

from ..config.access import Scope as KeyScope
from ..http.error_responses import Refusal, refuse
from ..http.paths import route_path
from ..http.request_slots import hold
from .key_cache import NO_KEY, KeyCache
from .key_store import KeyStore
from .keys import Key
from .live_requests import LiveRequests
from .quota_store import Limits, QuotaStore
from .quotas import OverLimit, Quota
from .shared_quota import SharedQuota

STATIC_FOLDER = Path(__file__).parents[1] / "static"
STATIC_SUFFIXES = (".html", ".css", ".js", ".svg")
STATIC_FILES = tuple(sorted(file.name for file in STATIC_FOLDER.iterdir() if file.suffix in STATIC_SUFFIXES))
PUBLIC = frozenset(
    {"/", "/healthz", "/readyz", "/openapi.json", *(f"/static/{name}" for name in STATIC_FILES)}
)
MANY_QUOTAS = 1_024
"""Beyond this number, quotas as good as new are dropped: their keys may have been revoked long ago."""


def is_public(scope: Scope) -> bool:
    """Return whether the path is one of the listed ones, letter by letter.

    Not with another slash, dot or case.
    """
    return route_path(scope) in PUBLIC


def tenant_of(request: Request) -> str:
    """Return the name of the key's tenant, or an empty one where no key was required."""
    return str(getattr(request.state, "tenant", ""))


def key_of(request: Request) -> Key | None:
    """Return the key that a request came with; None where none was required."""
    key: Key | None = getattr(request.state, "key", None)
    return key


class AuthMiddleware:
    """The layer that knows keys. It sets `tenant`, `key` and `quota` of the request's state."""

    def __init__(self, app: ASGIApp, open_store: Callable[[], KeyStore]) -> None:
        self._app = app
        self._keys = KeyCache(open_store)
        self._live = LiveRequests(self._keys)
        self._quotas: dict[str, tuple[tuple[Limits, int | None], Quota]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_public(scope):
            await self._app(scope, receive, send)
            return
        with ExitStack() as leaving:
            try:
                key = await self._key(Headers(scope=scope))
                quota = self._quota(key)
                leaving.enter_context(quota.under_way(time.monotonic))
                hold(scope, leaving)
            except (Refusal, NotReady) as refusal:
                if isinstance(refusal, OverLimit):
                    scope["state"] = {**scope.get("state", {}), "rate_limited": refusal.reason}
                await refuse(refusal, scope, receive, send)
                return
            scope["state"] = {**scope.get("state", {}), "tenant": key.tenant, "key": key, "quota": quota}
            needed = _needed(route_path(scope))
            if needed is not None and not key.may(needed):
                may = ", ".join(key.scopes) or "nothing"
                forbidden = Refusal(403, "forbidden", f"this key has no scope {needed}: it has {may}")
                await refuse(forbidden, scope, receive, send)
                return
            await self._live.run(self._app, key, scope, receive, send)

    async def _key(self, headers: Headers) -> Key:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not offered:
            raise Refusal(401, "unauthenticated", NO_KEY)
        return await self._keys.find(offered.strip())

    def _quota(self, key: Key) -> Quota:
        """Return the quota of a key's tenant: the same for as long as its limits are."""
        limits = Limits(rate=key.rate, burst=key.burst, monthly_budget=key.monthly_budget)
        known, quota = self._quotas.get(key.tenant, (None, None))
        if quota is None or known != (limits, key.concurrent):
            quota = SharedQuota(
                key.tenant, limits, key.concurrent, lambda: QuotaStore(self._keys.store().engine)
            )
            if len(self._quotas) >= MANY_QUOTAS:
                now = time.monotonic()
                self._quotas = {each: kept for each, kept in self._quotas.items() if not kept[1].is_new(now)}
            self._quotas[key.tenant] = (limits, key.concurrent), quota
        return quota


def _needed(path: str) -> KeyScope | None:
    """Return the scope that a path needs; None where every key will do."""
    if path == "/v1/usage":
        return None
    kept = any(path == each or path.startswith(f"{each}/") for each in ("/v1/jobs", "/v1/stories"))
    return "jobs" if kept else "generate"
