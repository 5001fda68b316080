"""Let pages of allowed origins read the responses (CORS, the Fetch standard).

Cookies are never accepted, so a page can use only a token that its script sends
(serve/auth/browser_tokens.py).
"""

from __future__ import annotations

from collections.abc import Collection

from fastapi import Request
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .error_responses import Refusal, error_response

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SENT = (
    "Authorization",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-ID",
)
"""The headers that a page may send, besides the CORS-safelisted ones."""
READ = (
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Server-Timing",
    "X-Backend",
    "X-Cast",
    "X-Consistency",
    "X-Degraded",
    "X-Merge",
    "X-Request-ID",
    "X-Safety",
    "X-Seed",
    "X-Upscaled",
    "X-Usage",
)
"""The response headers that a page may read, besides the CORS-safelisted ones."""
PREFLIGHT_S = 600
OF_THE_BODY = ("content-length", "content-type")


class Cors(CORSMiddleware):
    """Starlette's middleware with our error format. It runs before the key check: a preflight has no key."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=SENT,
            expose_headers=READ,
            allow_private_network=True,  # A public page may call a service in its reader's network.
            max_age=PREFLIGHT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        asks = scope["type"] == "http" and scope["method"] == "OPTIONS" and "origin" in headers
        if not asks or "access-control-request-method" not in headers:
            await super().__call__(scope, receive, send)
            return
        response = self.preflight_response(request_headers=headers)
        if response.status_code != 200:
            message = (
                "pages from this origin may not send this request: see allowed_origins in the configuration"
            )
            if self.is_allowed_origin(headers["origin"]):
                message = "a page may not send a request with this method or one of these headers"
            kept = {name: value for name, value in response.headers.items() if name not in OF_THE_BODY}
            response = error_response(Request(scope), Refusal(403, "forbidden", message))
            response.headers.update(kept)
        await response(scope, receive, send)
