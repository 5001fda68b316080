"""Check a request's key or token, which names the tenant of its work, before anything else.

A fixed list of paths needs no key. All others need one, under any prefix. The address that a request comes
from does not count: behind a proxy or a sidecar all callers have the same one.
"""

from __future__ import annotations

import math
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
from .browser_tokens import PREFIX
from .key_cache import NO_KEY, KeyCache
from .key_store import KeyStore
from .keys import Key
from .live_requests import LiveRequests
from .quota_store import Limits, QuotaStore
from .quotas import OverLimit, Quota
from .shared_quota import SharedQuota
from .token_cache import TokenBudget, TokenCache

STATIC_FOLDER = Path(__file__).parents[1] / "static"
STATIC_SUFFIXES = (".html", ".css", ".js", ".svg")
STATIC_FILES = tuple(sorted(file.name for file in STATIC_FOLDER.iterdir() if file.suffix in STATIC_SUFFIXES))
PUBLIC = frozenset(
    {"/", "/healthz", "/readyz", "/openapi.json", *(f"/static/{name}" for name in STATIC_FILES)}
)
FOR_TOKENS = ("/v1/scenes", "/v1/characters", "/v1/backgrounds", "/v1/merges", "/v1/models", "/v1/jobs")
BELOW_FOR_TOKENS = ("/v1/images/", "/v1/pictures", "/v1/models/", "/v1/jobs/")
"""The routes that a token may use: those whose work counts against its budget."""
TOKENS = "/v1/tokens"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SIGNED = "/v1/results/"
"""Paths below it need no key: the link's own signature is checked (serve/pictures/kept_results.py)."""
MANY_QUOTAS = 1_024
"""Beyond this number, quotas with nothing used are dropped: their keys may have been revoked long ago."""


def is_public(scope: Scope) -> bool:
    """Return whether the path is exactly one of the listed ones, or a result's link.

    A path with another slash, dot or case does not match.
    """
    path = route_path(scope)
    return path in PUBLIC or path.startswith(SIGNED)


def tenant_of(request: Request) -> str:
    """Return the name of the key's tenant, or an empty name if no key was required."""
    return str(getattr(request.state, "tenant", ""))


def budget_of(request: Request) -> TokenBudget | None:
    """Return the budget of a request's token, or None if it came without one."""
    budget: TokenBudget | None = getattr(request.state, "budget", None)
    return budget


def refuse_token(request: Request, what: str) -> None:
    """Raise Refusal 403 if the request came with a token, since only a key may do `what`."""
    if budget_of(request) is not None:
        raise Refusal(
            403, "forbidden", f"a token may not {what}: send the request with its key, from a server"
        )


def key_of(request: Request) -> Key | None:
    """Return the key that a request came with, or None if none was required."""
    key: Key | None = getattr(request.state, "key", None)
    return key


def key_id_of(request: Request) -> str | None:
    """Return the id of the key that a request came with, or None if none was required."""
    key = key_of(request)
    return key.id if key else None


class AuthMiddleware:
    """Middleware that checks keys. It sets `tenant`, `key`, `quota` and `budget` in the request's state."""

    def __init__(self, app: ASGIApp, open_store: Callable[[], KeyStore]) -> None:
        self._app = app
        self._keys = KeyCache(open_store)
        self._tokens = TokenCache(self._keys)
        self._live = LiveRequests(self._keys)
        self._quotas: dict[str, tuple[tuple[Limits, int | None], Quota]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_public(scope):
            await self._app(scope, receive, send)
            return
        with ExitStack() as leaving:
            tenant = ""
            try:
                key, budget = await self._key(Headers(scope=scope))
                tenant = key.tenant
                quota = self._quota(key)
                leaving.enter_context(quota.under_way(time.monotonic))
                hold(scope, leaving)
                _check_scope(key, budget, route_path(scope))
                if budget is not None and scope.get("method") not in SAFE_METHODS:
                    await budget.count_request()
            except (Refusal, NotReady) as refusal:
                if isinstance(refusal, OverLimit):
                    limited = {"rate_limited": refusal.reason, "tenant": tenant}
                    scope["state"] = {**scope.get("state", {}), **limited}
                await refuse(refusal, scope, receive, send)
                return
            own = {"tenant": key.tenant, "key": key, "quota": quota, "budget": budget}
            scope["state"] = {**scope.get("state", {}), **own}
            reads = budget is not None and scope.get("method") in SAFE_METHODS
            token_ends = budget.token.expires_at if budget is not None and reads else math.inf
            await self._live.run(self._app, key, scope, receive, send, token_ends)

    async def _key(self, headers: Headers) -> tuple[Key, TokenBudget | None]:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not offered:
            raise Refusal(401, "unauthenticated", NO_KEY)
        if offered.strip().startswith(PREFIX):
            return await self._tokens.find(offered.strip())
        return await self._keys.find(offered.strip()), None

    def _quota(self, key: Key) -> Quota:
        """Return the quota of the key's tenant, which is the same object until the limits change."""
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


def _check_scope(key: Key, budget: TokenBudget | None, path: str) -> None:
    """Raise Refusal 403 if the key, or the token that stands for it, may not use this path."""
    which = "key" if budget is None else "token"
    if budget is not None and path not in FOR_TOKENS and not path.startswith(BELOW_FOR_TOKENS):
        raise Refusal(
            403, "forbidden", "a token may not use this route: send the request with its key, from a server"
        )
    needed = _needed(path)
    if needed is not None and not key.may(needed):
        may = ", ".join(key.scopes) or "nothing"
        raise Refusal(403, "forbidden", f"this {which} lacks the scope {needed}: it has {may}")


def _needed(path: str) -> KeyScope | None:
    """Return the scope that a path needs, or None if any key will do: its tokens get only its own scopes."""
    if path in (TOKENS, "/v1/usage"):
        return None
    kept = any(path == each or path.startswith(f"{each}/") for each in ("/v1/jobs", "/v1/stories"))
    return "jobs" if kept else "generate"
