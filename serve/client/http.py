"""What both clients share of HTTP: requests, faults told in our own words, and lines of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from .calls import CONNECT_TIMEOUT_S, Call, Stream
from .errors import NotScenewright, ScenewrightError, ServerUnreachable, error_of

T = TypeVar("T")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def options_of(url: str, api_key: str | None) -> dict[str, Any]:
    """For httpx.Client and httpx.AsyncClient alike."""
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {api_key}"} if api_key else {},
        # A proxy set for the internet would swallow requests to this machine.
        "trust_env": httpx.URL(url).host not in LOOPBACK,
    }


def request_of(
    http: httpx.Client | httpx.AsyncClient, call: Call[Any], accept: str, timeout_s: float
) -> httpx.Request:
    timeout_s = call.timeout_s or max(timeout_s, call.at_least_s)
    return http.build_request(
        call.method,
        call.path,
        headers={"Accept": accept, **call.headers},
        timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        **call.content,
    )


@contextmanager
def in_our_words(url: str) -> Iterator[None]:
    """Raises ServerUnreachable for all that can happen on the way."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ServerUnreachable(f"no Scenewright at {url}") from error
    except httpx.TimeoutException as error:
        raise ServerUnreachable(f"{url} did not answer in time") from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServerUnreachable(f"{url} cannot be reached: {error}") from error


def read_answer(answer: httpx.Response, call: Call[T]) -> T:
    """Raises ScenewrightError. A body of another shape is another server's."""
    try:
        if not answer.is_success:
            raise error_of(answer.status_code, answer.json(), _retry_after_s(answer))
        return call.read(answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _another_server(answer) from error


class Events:
    """Lines in, events out. `ended` once the last event has come."""

    def __init__(self, answer: httpx.Response, stream: Stream[T]) -> None:
        self._answer, self._stream, self._name = answer, stream, ""
        self.ended = False

    def hear(self, line: str) -> Any:
        """What the line completes, or None. Raises ScenewrightError for an `error`."""
        if line.startswith("event: "):
            self._name = line.removeprefix("event: ")
        if not line.startswith("data: "):
            return None
        try:
            data = json.loads(line.removeprefix("data: "))
            if self._name == "error":
                raise error_of(self._answer.status_code, data)
            event = self._stream.read(self._name, data, self._answer.headers)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _another_server(self._answer) from error
        self.ended = self._name == self._stream.last
        return event

    def check_ended(self) -> None:
        """Raises ServerUnreachable for a stream that broke off."""
        if not self.ended:
            raise ServerUnreachable("the service stopped telling before the work was done")


def _retry_after_s(answer: httpx.Response) -> float | None:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else None


def _another_server(answer: httpx.Response) -> ScenewrightError:
    message = f"not an answer of Scenewright's (HTTP {answer.status_code})"
    return NotScenewright(answer.status_code, "not_scenewright", message)
