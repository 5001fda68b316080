"""A layer around the edge: a span for each request, in the trace that its `traceparent` names."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..telemetry.scene_spans import REQUEST_ID, spanning
from .http_metrics import UNCOUNTED, route_of
from .paths import route_path

PROPAGATOR = TraceContextTextMapPropagator()
"""W3C's propagator, and no baggage: that would let callers write into our traces."""
CARRIERS = ("traceparent", "tracestate")


class HttpTracing:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) in UNCOUNTED:
            await self._app(scope, receive, send)
            return
        status = 499  # As nginx calls a client that left before the answer.

        async def passing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"]
        asked = {"http.request.method": method}
        with spanning(method, asked, _callers_trace(Headers(scope=scope)), SpanKind.SERVER) as span:
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

    None where it gives none, or two; an empty one where what it gives is not well-formed.
    """
    said = {name: headers.getlist(name) for name in CARRIERS}
    if len(said["traceparent"]) != 1:
        return None
    return PROPAGATOR.extract({name: ",".join(values) for name, values in said.items() if values})
