"""The faults of a connection, each in one sentence that says what to do, and never with a secret in it."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from .environment import Way
from .errors import NotScenewright, NotSent, ScenewrightError, ServerUnreachable, not_sent

CA_FOLLOWS = "SSL_CERT_FILE names the file of a certificate authority to trust"
NO_HTTP = r"Server disconnected|illegal (status|header)"
"""h11's messages about bytes that are not HTTP."""
ITS_OWN = {10: "it has expired", 62: "it is for another host name", 64: "it is for another address"}
"""OpenSSL's codes of X509_V_ERR_*, for certificates that only the service's owner can mend."""


@contextmanager
def in_our_words(way: Way) -> Iterator[None]:
    """Raise ServerUnreachable, NotSent or NotScenewright for all that httpx may raise."""
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise translated(error, way) from error


def translated(error: Exception, way: Way) -> ServerUnreachable | ScenewrightError:
    """Take the reason from what lies below: httpx's own words hold addresses and headers."""
    below = list(_chain(error))
    if isinstance(error, httpx.ProxyError):
        status = re.match(r"\d{3}\b", str(error))
        code = f" (HTTP {status[0]})" if status else ""
        return ServerUnreachable(f"the proxy that {way.proxy} names does not lead to {way.url}{code}")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        tls = next((each for each in below if isinstance(each, ssl.SSLError)), None)
        return _tls_fault(tls, way) if tls else _unreachable(below, way)
    if isinstance(error, httpx.TimeoutException):
        return ServerUnreachable(f"{way.url} did not answer in time")
    if isinstance(error, httpx.DecodingError):
        return NotScenewright(200, "not_scenewright", f"the answer of {way.url} is compressed and broken")
    if way.url.startswith("http://") and re.match(NO_HTTP, str(error)):
        return ServerUnreachable(
            f"{way.url} broke off without an answer in HTTP; if it speaks TLS, begin with https://"
        )
    return ServerUnreachable(f"the connection to {way.url} broke off before the answer was whole")


def _unreachable(below: list[BaseException], way: Way) -> ServerUnreachable:
    if way.proxy is not None:
        return ServerUnreachable(f"the proxy that {way.proxy} names does not answer, on the way to {way.url}")
    if any(isinstance(each, socket.gaierror) for each in below):
        return ServerUnreachable(f"no Scenewright at {way.url}: no host of that name is known")
    if any(isinstance(each, ConnectionRefusedError) for each in below):
        return ServerUnreachable(f"no Scenewright at {way.url}", refused=True)
    if isinstance(below[0], httpx.ConnectTimeout):
        return ServerUnreachable(f"no Scenewright at {way.url}: nothing answered in time")
    words = (each.strerror for each in reversed(below) if isinstance(each, OSError) and each.strerror)
    return ServerUnreachable(f"no Scenewright at {way.url}: {next(words, 'it cannot be connected to')}")


def _tls_fault(error: ssl.SSLError, way: Way) -> NotSent:
    if isinstance(error, ssl.SSLCertVerificationError):
        own = ITS_OWN.get(error.verify_code)
        why = own or f"{error.verify_message or 'unknown'}; {CA_FOLLOWS}"
        return not_sent(f"the certificate of {way.url} is not accepted: {why}", "url")
    reason = (error.reason or "broken off").replace("_", " ").lower()
    return not_sent(f"no TLS with {way.url} ({reason}); if it speaks plain HTTP, begin with http://", "url")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, then its causes.

    asyncio gathers several attempts to connect in a group.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
