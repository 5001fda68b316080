"""Record each response as metrics, and each request as a span in the trace that its `traceparent` names.

The metrics come from the status, Server-Timing and X-Degraded that callers get, so they depend on no route.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.messages import CACHED_GUIDANCE

from ..telemetry import metrics
from ..telemetry.metrics import Recorder
from ..telemetry.scene_spans import REQUEST_ID, spanning
from .paths import route_path

TIMING = re.compile(r"([\w-]+);dur=([\d.]+)")
LAYER_STAGES = ("queue", "encode", "denoise", "decode")
NO_ROOM = (429, 503, 507)
UNCOUNTED = ("/healthz", "/readyz", "/-/healthz", "/-/routes")
"""Probes call these every few seconds, and would drown out the rest."""
PROPAGATOR = TraceContextTextMapPropagator()
"""W3C's propagator without baggage, which would let callers write into our traces."""
CARRIERS = ("traceparent", "tracestate")


class HttpMetrics:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._recorder = Recorder(metrics.EDGE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) in UNCOUNTED:
            await self._app(scope, receive, send)
            return
        began_at = time.monotonic()
        status, headers = 499, Headers()  # nginx's status for a client that left before the response.

        async def passing(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], Headers(raw=message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, passing)
        finally:
            self._record(route_of(scope), status, headers, time.monotonic() - began_at)
            state = scope.get("state", {})
            if reason := state.get("rate_limited"):
                self._recorder.add(metrics.RATE_LIMITED, reason=reason, tenant=state.get("tenant", ""))
            if state.get("content_refused"):
                self._recorder.add(metrics.CONTENT_REFUSED, route=route_of(scope))
            if outcome := scope.get("state", {}).get("damaged_picture"):
                self._recorder.add(metrics.DAMAGED_PICTURES, outcome=outcome)

    def _record(self, route: str, status: int, headers: Headers, took_s: float) -> None:
        self._recorder.add(metrics.REQUESTS, route=route, status=str(status))
        if status in NO_ROOM:
            self._recorder.add(metrics.REJECTED, status=str(status))
        if status >= 400:
            return
        self._recorder.observe(metrics.LATENCY, took_s, route=route)
        declared = filter(None, headers.get("x-degraded", "").split(", "))
        if not all(how.endswith(CACHED_GUIDANCE) for how in declared):  # Such a response is as requested.
            self._recorder.add(metrics.DEGRADED, route=route)
        timings = {name: float(ms) / 1e3 for name, ms in TIMING.findall(headers.get("server-timing", ""))}
        self._recorder.observe_stages(
            {name: timings[name] for name in ("merge", "output") if name in timings}
        )
        if "merge" in timings:
            self._recorder.observe(metrics.BRANCH_SKEW, _skew_s(timings))


def route_of(scope: Scope) -> str:
    """Return the route's template, never the caller's path: each id or guess would create a series."""
    route = scope.get("route")
    return str(getattr(route, "path", "")) or "unknown"


def _skew_s(timings: dict[str, float]) -> float:
    """Return how long a scene's first layer waited for its last; 0 if none was painted."""
    took: defaultdict[str, float] = defaultdict(float)
    for name, seconds in timings.items():
        layer, _, stage = name.rpartition("-")
        if layer and stage in LAYER_STAGES:
            took[layer] += seconds
    return max(took.values()) - min(took.values()) if took else 0.0


class HttpTracing:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) in UNCOUNTED:
            await self._app(scope, receive, send)
            return
        status = 499  # nginx's status for a client that left before the response.

        async def passing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"]
        requested = {"http.request.method": method}
        with spanning(method, requested, _callers_trace(Headers(scope=scope)), SpanKind.SERVER) as span:
            try:
                await self._app(scope, receive, passing)
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                span.set_attribute(REQUEST_ID, scope.get("state", {}).get("request_id", ""))
                if status >= 500:
                    span.set_status(StatusCode.ERROR)


def _callers_trace(headers: Headers) -> Context | None:
    """Return the caller's trace.

    Return None if it sends none, or several; an empty context if what it sends is malformed.
    """
    said = {name: headers.getlist(name) for name in CARRIERS}
    if len(said["traceparent"]) != 1:
        return None
    return PROPAGATOR.extract({name: ",".join(values) for name, values in said.items() if values})
