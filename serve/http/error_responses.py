"""Turn every error into the documented JSON, by a single table from exceptions to HTTP statuses."""

from __future__ import annotations

import math
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from deployments import errors
from deployments.errors import InvalidRequest

from ..telemetry.logs import logger
from .strict_json import InvalidJson

TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.CutoutFailed, 422, "cutout_failed"),
    (errors.UnsupportedTask, 422, "unsupported_task"),
    (errors.ContentRefused, 422, "content_refused"),
    (errors.InvalidRequest, 422, "invalid_request"),
    (errors.Overloaded, 429, "overloaded"),
    (errors.GenerationFailed, 502, "generation_failed"),
    (errors.NotReady, 503, "not_ready"),
    (errors.OutOfMemory, 503, "out_of_memory"),
    (errors.DeadlineExceeded, 504, "deadline_exceeded"),
)
CODES = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    415: "unsupported_media_type",
}
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
MAX_ECHO_CHARS = 60
CODING = "Content-Encoding"
ACCEPTED_CODINGS = ("gzip", "deflate")
"""The codings in which a compressed body may be sent (serve/http/body.py)."""
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class Refusal(Exception):
    """A request refused at the edge, for its form or its caller, before any work is done for it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, code, message, param, retry_after_s)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.retry_after_s = retry_after_s


class ClientGone(Exception):
    """The client is gone, so nobody is left to read a response."""


def error_response(request: Request, error: Exception) -> JSONResponse:
    """Return the response to any exception.

    An exception that is not in the table becomes a 500 that does not reveal its cause.
    """
    status, _, _, param, retry_after_s = _facts(error)
    headers = {"Retry-After": str(max(1, math.ceil(retry_after_s)))} if retry_after_s is not None else {}
    if isinstance(error, errors.ContentRefused):
        request.state.content_refused = True  # HttpMetrics counts it.
    if isinstance(error, HTTPException):
        headers |= dict(error.headers or {})
    if status == 405:
        headers["Allow"] = allowed_methods(request)
    if status == 415 and param == CODING:
        headers["Accept-Encoding"] = ", ".join(ACCEPTED_CODINGS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_of(error, getattr(request.state, "request_id", "")), status, headers)


async def refuse(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Respond to a request with an error, or close a WebSocket before it is opened (which is a 403)."""
    if scope["type"] == "websocket":
        await WebSocketClose(1008)(scope, receive, send)
        return
    await error_response(Request(scope), error)(scope, receive, send)


def error_of(error: Exception, request_id: str) -> dict[str, Any]:
    """Return only the body of an error, as event streams and the scenes of a job contain it too."""
    status, code, message, param, _ = _facts(error)
    if status == 500:
        logger.error("request %s failed", request_id, exc_info=error)
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {
        "error": {"type": kind, "code": code, "message": message, "param": param, "request_id": request_id}
    }


def _facts(error: Exception) -> tuple[int, str, str, str | None, float | None]:
    for kind, status, code in TABLE:
        if isinstance(error, kind):
            # Through a handle the class is RayTaskError(Kind); the cause is the exception as it was raised.
            raised: Any = getattr(error, "cause", None) or error
            wait_s = raised.retry_after_s
            if wait_s is None and status in (429, 503):
                wait_s = 5.0
            return status, code, raised.message, raised.param, wait_s
    if isinstance(error, ClientGone):
        # This is nginx's status for it. It appears only in our own logs.
        return 499, "client_closed_request", "the client went away", None, None
    if isinstance(error, Refusal):
        return error.status, error.code, error.message, error.param, error.retry_after_s
    if isinstance(error, InvalidJson):
        return 400, "invalid_json", str(error), None, None
    if isinstance(error, HTTPException):
        messages = {404: "there is no such route", 405: "this route does not support that method"}
        status = error.status_code
        message = messages.get(status, str(error.detail))
        return status, CODES.get(status, "invalid_request"), message, None, None
    return (
        500,
        "internal",
        "an internal error occurred; search for the request id in the service's logs",
        None,
        None,
    )


def first_fault(error: ValidationError) -> InvalidRequest:
    """Name the first field at fault by its dotted path, in a sentence. Later faults mostly follow from it."""
    fault = error.errors(include_url=False, include_context=False)[0]
    param = ".".join(str(part) for part in fault["loc"])[:MAX_ECHO_CHARS] or "body"
    param = param.encode("ascii", "replace").decode()
    if fault["type"] == "extra_forbidden":
        return InvalidRequest(f"{param} is not a known field", param)
    if fault["type"] == "missing" or (fault["loc"] and fault["input"] is None):
        return InvalidRequest(f"{param} is required", param)
    if fault["type"] == "model_type":  # pydantic's own message names our class.
        return InvalidRequest(f"{param} must be an object", param)
    message = fault["msg"].removeprefix("Value error, ")
    return InvalidRequest(f"{param}: {message[0].lower()}{message[1:]}", param)


def allowed_methods(request: Request) -> str:
    """Return the methods as the header is written: `GET, POST`."""
    routes = request.app.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    found = {
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    }
    if "GET" in found:
        found.add("HEAD")  # serve/http/paths.py serves it, unknown to the routes.
    return ", ".join(sorted(found))
