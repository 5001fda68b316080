"""Define an API call as a value, check what it sends, and read the fields that every response has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from .encoding import encoded
from .errors import not_sent
from .responses import scene_of

T = TypeVar("T")
Words = str | Mapping[str, Any]
CONNECT_TIMEOUT_S = 5.0
GRACE_S = 30.0
"""How long the client still waits for a response after the request's own deadline."""
LONGEST_S = 86_400.0
"""The longest wait for any response: sockets accept no infinite timeout."""
JSON = {"Content-Type": "application/json"}
KEY = "Idempotency-Key"
MAX_NAME = 255


@dataclass(frozen=True)
class Call(Generic[T]):
    """An API call. `repeatable` means that resending it after a lost response does no harm.

    `timeout_s` None means the client's own timeout, or `at_least_s` if that is longer.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    content: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    at_least_s: float = 0.0
    repeatable: bool = False


@dataclass(frozen=True)
class Stream(Generic[T]):
    """A streamed call. `read` turns a name, data and headers into an event; `last` names the last event."""

    call: Call[None]
    read: Callable[[str, Any, httpx.Headers], T | None]
    last: str


def picture_of(response: httpx.Response) -> tuple[bytes, str]:
    """Read a kept picture and its format, also from the JSON response of a scene with layers."""
    kind, _, wire_format = response.headers.get("content-type", "").partition("/")
    if (kind, wire_format) == ("application", "json"):
        scene = scene_of(response.json(), response.headers.get("x-backend", ""))
        return scene.data, scene.format
    if kind != "image":
        raise ValueError("not a picture")
    return response.content, wire_format


def path_segment(given: str, why: str, param: str) -> str:
    """Return an id as one segment of a path. Raises NotSent for an id that would change the path."""
    try:
        name = quote(given, "")
    except (TypeError, UnicodeError):
        name = ""
    if name.strip(".") and len(name) <= MAX_NAME:
        return name
    raise not_sent(why, param)


def checked_header(name: str, value: str) -> str:
    """Check a header's value. Raises NotSent."""
    plain = isinstance(value, str) and value.isascii() and value.isprintable()
    if not plain or value != value.strip() or len(value) > MAX_NAME:
        message = f"{name} must be at most {MAX_NAME} printable ASCII characters, without spaces around them"
        raise not_sent(message, name)
    return value


def checked_query(**values: int | str) -> dict[str, int | str]:
    """Check a query's values. Raises NotSent for values that a URL cannot hold."""
    for name, value in values.items():
        if not isinstance(value, int | str):
            raise not_sent(f"{name} must be an integer or a string, not {type(value).__name__}", name)
        encoded({name: value})
    return values


def patience_s(options: dict[str, Any]) -> float:
    """Return the seconds to wait for a response. The service refuses a deadline that is not a number."""
    deadline_s = options.get("deadline_s")
    # An integer may be larger than any float.
    return (min(deadline_s, LONGEST_S) if isinstance(deadline_s, int | float) else 0.0) + GRACE_S


def accepted(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str)


def listed(response: httpx.Response) -> dict[str, Any]:
    body = with_fields(response.json(), data=list)
    for each in body["data"]:
        with_fields(each, id=str, status=str)
    return body


def with_fields(body: Any, **fields: type) -> dict[str, Any]:
    """Return `body` unchanged. Raises KeyError or TypeError if it lacks a field that every version has."""
    for name, kind in fields.items():
        if not isinstance(body[name], kind):
            raise TypeError(name)
    return dict(body)


def nothing(response: httpx.Response) -> None: ...
