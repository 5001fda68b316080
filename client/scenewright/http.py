"""The HTTP code that both clients share: connections, requests, responses and event streams."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import httpx

from .address import base_address, bearer
from .call import CONNECT_TIMEOUT_S, LONGEST_S, Call, Stream
from .environment import Way, options_of
from .errors import NotScenewright, ScenewrightError, ServerUnreachable, error_of, not_sent

T = TypeVar("T")
NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""The errors that a reader raises for a response that is not in Scenewright's format."""


def connection(
    url: str,
    api_key: str | None,
    timeout_s: float,
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None,
) -> tuple[Way, dict[str, Any]]:
    """Check a client's arguments, and return its Way and the options for httpx. Raises NotSent.

    A transport that the caller provides uses no proxy.
    """
    key = bearer(api_key)
    if not isinstance(timeout_s, int | float) or not timeout_s > 0:
        raise not_sent("timeout_s must be a number of seconds above 0", "timeout_s")
    url = base_address(url)
    way, options = options_of(url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if transport is not None:
        options.pop("proxy", None)
        way = Way(way.url)
    return way, {"base_url": url, "headers": headers, "transport": transport, **options}


def request_of(
    http: httpx.Client | httpx.AsyncClient, call: Call[Any], accept: str, timeout_s: float
) -> httpx.Request:
    """Build the request of a call. Raises NotSent."""
    timeout_s = min(call.timeout_s or max(timeout_s, call.at_least_s), LONGEST_S)
    try:
        return http.build_request(
            call.method,
            call.path,
            headers={"Accept": accept, **call.headers},
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            **call.content,
        )
    except (httpx.InvalidURL, ValueError, TypeError) as error:  # A query that is not text.
        raise not_sent("the request has a value that cannot be sent in a URL") from error


def read_response(response: httpx.Response, call: Call[T]) -> T:
    """Read the result of a call.

    Raises ScenewrightError. A body of another shape means another server: NotScenewright.
    """
    try:
        if not response.is_success:
            raise error_of(response.status_code, response.json(), _retry_after_s(response))
        return call.read(response)
    except NOT_OURS as error:
        raise another_server(response) from error


class Events:
    """Parse a stream's lines into events. `ended` is true once the last event has come."""

    def __init__(self, response: httpx.Response, stream: Stream[T]) -> None:
        self._response, self._stream, self._name = response, stream, ""
        self.ended = False

    def feed(self, line: str) -> Any:
        """Return the event that the line completes, or None. Raises ScenewrightError for an `error`."""
        if line.startswith("event: "):
            self._name = line.removeprefix("event: ")
        if not line.startswith("data: "):
            return None
        try:
            data = json.loads(line.removeprefix("data: "))
            if self._name == "error":
                raise error_of(self._response.status_code, data)
            event = self._stream.read(self._name, data, self._response.headers)
        except NOT_OURS as error:
            raise another_server(self._response) from error
        self.ended = self._name == self._stream.last
        return event

    def check_ended(self) -> None:
        """Raise ServerUnreachable if the stream broke off."""
        if not self.ended:
            raise ServerUnreachable("the event stream ended before the work was done")


def is_stream(response: httpx.Response) -> bool:
    """Return whether the response may be an event stream, and not a page from another server."""
    kind = response.headers.get("content-type", "")
    return not kind or kind.startswith("text/event-stream")


def another_server(response: httpx.Response) -> ScenewrightError:
    """Return the error, with any redirect's target. No redirect is followed: the key would be sent along."""
    status = response.status_code
    message = f"the response is not from Scenewright (HTTP {status}): check the address"
    if response.has_redirect_location:
        message = f"the address redirects{_target(response)} (HTTP {status}): use the redirect's target"
    return NotScenewright(status, "not_scenewright", message)


def _target(response: httpx.Response) -> str:
    try:
        target = httpx.URL(response.headers["location"])
    except (httpx.InvalidURL, ValueError):
        return ""
    port = f":{target.port}" if target.port else ""
    return f" to {target.scheme}://{target.host}{port}" if target.host else ""


def _retry_after_s(response: httpx.Response) -> float | None:
    reported = response.headers.get("retry-after", "")
    return float(reported) if reported.isascii() and reported.isdigit() else None
