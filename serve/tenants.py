"""Who asks: a key is looked at before anything else, and names the tenant that the work belongs to.

Where a request comes from decides nothing: behind a proxy or a sidecar everybody comes from one address.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.errors import NotReady

from .auth.public_paths import is_public
from .error_answers import Refusal, refuse
from .http.paths import route_path
from .http.request_slots import hold
from .keys import Key, KeyFile
from .keys import Scope as KeyScope
from .quotas import Quota

MANY_QUOTAS = 1_024
"""From so many on, those that are as good as new are let go: their keys may have been revoked long ago."""


def tenant_of(request: Request) -> str:
    """The key's id, or empty where no key was asked for."""
    return str(getattr(request.state, "tenant", ""))


class Tenants:
    """The layer that knows keys. It sets `tenant` and `quota` of the request's state."""

    def __init__(self, app: ASGIApp, state_folder: Path) -> None:
        self._app = app
        self._file = KeyFile(state_folder)
        self._quotas: dict[str, tuple[Key, Quota]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_public(scope):
            await self._app(scope, receive, send)
            return
        with ExitStack() as leaving:
            try:
                key = self._key(Headers(scope=scope))
                quota = self._quota(key)
                leaving.enter_context(quota.under_way(time.monotonic))
                hold(scope, leaving)
            except (Refusal, NotReady) as refusal:
                await refuse(refusal, scope, receive, send)
                return
            scope["state"] = {**scope.get("state", {}), "tenant": key.id, "quota": quota}
            needed = _needed(route_path(scope))
            if not key.may(needed):
                may = ", ".join(key.scopes) or "nothing"
                forbidden = Refusal(403, "forbidden", f"this key has no scope {needed}: it has {may}")
                await refuse(forbidden, scope, receive, send)
                return
            await self._app(scope, receive, send)

    def _key(self, headers: Headers) -> Key:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not offered:
            raise Refusal(401, "unauthenticated", "send a key: Authorization: Bearer sw_…")
        try:
            key = self._file.find(offered.strip(), time.monotonic())
        except (OSError, ValueError):
            raise NotReady("the keys cannot be read at present", retry_after_s=5) from None
        if key is None:
            revoked = self._file.was_revoked(offered.strip())
            why = "this key was revoked" if revoked else "this key is not known here"
            raise Refusal(401, "unauthenticated", why)
        return key

    def _quota(self, key: Key) -> Quota:
        """The same for as long as the key's limits are."""
        known, quota = self._quotas.get(key.id, (None, None))
        if quota is None or known != key:
            quota = Quota(key.rate, key.burst, key.concurrent)
            if len(self._quotas) >= MANY_QUOTAS:
                now = time.monotonic()
                self._quotas = {each: kept for each, kept in self._quotas.items() if not kept[1].is_new(now)}
            self._quotas[key.id] = key, quota
        return quota


def _needed(path: str) -> KeyScope:
    return "jobs" if path == "/v1/jobs" or path.startswith("/v1/jobs/") else "generate"
