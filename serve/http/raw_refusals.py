"""Errors in the documented format for requests that are refused before any application runs."""

from __future__ import annotations

import json
import math
import uuid
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .error_responses import Refusal, error_of, refuse

Header = tuple[bytes, bytes]


def parts_of(refusal: Refusal) -> tuple[list[Header], bytes]:
    """Return a refusal's headers, which close the connection, and body, both with a new request id."""
    request_id = uuid.uuid4().hex
    body = json.dumps(error_of(refusal, request_id)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(refusal.retry_after_s))).encode()))
    return headers, body


def bytes_of(refusal: Refusal) -> bytes:
    """Return the whole response as it goes over the wire."""
    headers, body = parts_of(refusal)
    status = HTTPStatus(refusal.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def refusing(refusal: Refusal) -> ASGIApp:
    """Return an application that refuses every request with this refusal."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers, body = parts_of(refusal)
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def refuse_before_the_application(
    refusal: Refusal, request_id: str, scope: Scope, receive: Receive, send: Send
) -> None:
    """Refuse a request that the application never sees, under its own id, or a new one if it has none."""
    request_id = request_id or uuid.uuid4().hex
    scope["state"] = {**scope.get("state", {}), "request_id": request_id}

    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Request-ID"] = request_id
        await send(message)

    await refuse(refusal, scope, receive, send_with_id)
