"""Describe each connection fault in one sentence that says what to do and never contains a secret."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from .environment import Way
from .errors import NotScenewright, NotSent, ScenewrightError, ServerUnreachable, not_sent

CA_FOLLOWS = "set SSL_CERT_FILE to the file of a certificate authority to trust"
NO_HTTP = r"Server disconnected|illegal (status|header)"
"""h11's messages about bytes that are not HTTP."""
ITS_OWN = {10: "it has expired", 62: "it is for another host name", 64: "it is for another address"}
"""OpenSSL's X509_V_ERR_* codes for certificates that only the service's owner can fix."""


@contextmanager
def in_our_words(way: Way) -> Iterator[None]:
    """Raise ServerUnreachable, NotSent or NotScenewright in place of any httpx error."""
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise translated(error, way) from error


def translated(error: Exception, way: Way) -> ServerUnreachable | ScenewrightError:
    """Return our error for httpx's, with the reason from its causes.

    httpx's own messages are not used, since they contain addresses and headers.
    """
    below = list(_chain(error))
    if isinstance(error, httpx.ProxyError):
        status = re.match(r"\d{3}\b", str(error))
        code = f" (HTTP {status[0]})" if status else ""
        return ServerUnreachable(f"the proxy set in {way.proxy} did not connect to {way.url}{code}")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        tls = next((each for each in below if isinstance(each, ssl.SSLError)), None)
        return _tls_fault(tls, way) if tls else _unreachable(below, way)
    if isinstance(error, httpx.TimeoutException):
        return ServerUnreachable(f"{way.url} did not respond in time")
    if isinstance(error, httpx.DecodingError):
        return NotScenewright(200, "not_scenewright", f"the compressed response from {way.url} is damaged")
    if way.url.startswith("http://") and re.match(NO_HTTP, str(error)):
        return ServerUnreachable(
            f"{way.url} did not send a valid HTTP response; if it uses TLS, begin the address with https://"
        )
    return ServerUnreachable(f"the connection to {way.url} was lost before the response was complete")


def _unreachable(below: list[BaseException], way: Way) -> ServerUnreachable:
    if way.proxy is not None:
        return ServerUnreachable(
            f"{way.url} cannot be reached: the proxy set in {way.proxy} does not respond"
        )
    if any(isinstance(each, socket.gaierror) for each in below):
        return ServerUnreachable(f"no Scenewright at {way.url}: the host name cannot be resolved")
    if any(isinstance(each, ConnectionRefusedError) for each in below):
        return ServerUnreachable(f"no Scenewright at {way.url}", refused=True)
    if isinstance(below[0], httpx.ConnectTimeout):
        return ServerUnreachable(f"no Scenewright at {way.url}: the connection timed out")
    words = (each.strerror for each in reversed(below) if isinstance(each, OSError) and each.strerror)
    return ServerUnreachable(f"no Scenewright at {way.url}: {next(words, 'the connection failed')}")


def _tls_fault(error: ssl.SSLError, way: Way) -> NotSent:
    if isinstance(error, ssl.SSLCertVerificationError):
        own = ITS_OWN.get(error.verify_code)
        why = own or f"{error.verify_message or 'unknown'}; {CA_FOLLOWS}"
        return not_sent(f"the certificate of {way.url} is not accepted: {why}", "url")
    reason = (error.reason or "connection closed").replace("_", " ").lower()
    return not_sent(f"TLS with {way.url} failed ({reason}); if it uses plain HTTP, begin with http://", "url")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, then its causes.

    asyncio puts the errors of several connection attempts in a group.
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
