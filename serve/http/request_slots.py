"""Bound the requests that one process has under way, so that a health check never waits behind work.

Ray Serve gives a replica `max_ongoing_requests` slots. A request beyond them waits in Serve's proxy, and a
health check waits there with the rest. So the edge refuses work before those slots are used up: ordinary
requests have slots of their own, streams have a budget of their own (stream_budget.py), and the slots that
are left are for health checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

from ray import serve
from ray.serve.exceptions import RayServeException
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.errors import Overloaded

from ..config.service_config import ServiceConfig
from .error_responses import refuse
from .paths import route_path

HEALTH = ("/healthz", "/readyz")
HEALTH_SLOTS = 32
SHARE = 4
"""A tenant may hold up to this many slots per free slot, so that some are left for another tenant
(Choudhury and Hahne 1998, dynamic queue length thresholds)."""
PUBLIC = "(public)"
RETRY_S = 2.0
HELD = "held"
"""The key of a request's state that lists what to release when it becomes a stream."""


class RequestSlots:
    """Middleware that counts requests. If `most` are under way, any more get 429 at once.

    Health checks are not counted. If a request has a tenant, that tenant's share is bounded too. Public
    requests, such as those for the page, count as one tenant's.
    """

    def __init__(
        self, app: ASGIApp, most: int, is_public: Callable[[Scope], bool] = lambda scope: False
    ) -> None:
        self._app = app
        self._most = most
        self._is_public = is_public
        self._in_use: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) in HEALTH:
            await self._app(scope, receive, send)
            return
        tenant = str(scope.setdefault("state", {}).get("tenant", ""))
        if not tenant and self._is_public(scope):
            tenant = PUBLIC
        free = self._most - self._in_use.total()
        if free <= 0 or (tenant and self._in_use[tenant] >= SHARE * free):
            message = "too many requests are in progress here; try again shortly"
            await refuse(Overloaded(message, retry_after_s=RETRY_S), scope, receive, send)
            return
        with ExitStack() as held:
            self._in_use[tenant] += 1
            held.callback(self._give_back, tenant)
            hold(scope, held)
            await self._app(scope, receive, send)

    def _give_back(self, tenant: str) -> None:
        self._in_use[tenant] -= 1
        if not self._in_use[tenant]:
            del self._in_use[tenant]


def hold(scope: Scope, held: ExitStack) -> None:
    """Register what a request releases at its end, or earlier if it becomes a stream."""
    scope.setdefault("state", {}).setdefault(HELD, []).append(held)


def give_back(scope: Scope) -> None:
    """Release what a request holds: from now on it is a stream, which is counted elsewhere."""
    for held in scope.get("state", {}).get(HELD, ()):
        held.close()


def slots_of(config: ServiceConfig) -> int:
    """Return the edge's `max_ongoing_requests` for Ray Serve."""
    return config.ingress.max_ongoing_requests + config.limits.max_streams + HEALTH_SLOTS


def within(config: ServiceConfig, slots: int) -> ServiceConfig:
    """Divide fewer slots in the same proportions: one in eight, and at least one, is for health checks."""
    wanted = slots_of(config)
    if slots >= wanted:
        return config
    rest = max(2, slots - max(1, slots // 8))
    streams = max(1, rest * config.limits.max_streams // (wanted - HEALTH_SLOTS))
    ingress = config.ingress.model_copy(update={"max_ongoing_requests": rest - streams})
    limits = config.limits.model_copy(update={"max_streams": streams})
    return config.model_copy(update={"ingress": ingress, "limits": limits})


def fitted(config: ServiceConfig) -> ServiceConfig:
    """Divide the slots that this replica really has, since a Serve file's `deployments` may set them too."""
    try:
        context = serve.get_replica_context()
    except RayServeException:
        return config
    return within(config, context._deployment_config.max_ongoing_requests)
