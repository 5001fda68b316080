"""Clients without a key that try to take all connections, and a proxy that dies."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.support.drill_row import Row
from tests.support.drilled_service import scene
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
MB = 1 << 20


def connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), 60)


def proxy() -> psutil.Process | None:
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline()[:1] == ["ray::ProxyActor"]:
                return process
    return None


def responded(http: httpx.Client) -> float:
    """Return the response time of /healthz in milliseconds."""
    begun = time.monotonic()
    assert http.get("/healthz").status_code == 200
    return 1e3 * (time.monotonic() - begun)


@pytest.mark.parametrize("piece", [b"a" * 65_536, b"a: b\r\n" * 4_096], ids=["one header", "many headers"])
def test_a_header_without_end(http: httpx.Client, url: str, row: Row, piece: bytes) -> None:
    kind = "one header" if b":" not in piece else "many short headers"
    row.promises(
        f"a caller without a key that sends {kind} for ever",
        "431 after 64 kB, and no other caller is delayed",
    )
    listens = until(proxy)
    before, sent, slowest = listens.memory_info().rss, 0, 0.0
    with connect(url) as connection, suppress(ConnectionError):
        connection.sendall(HEAD + (b"X-A: " if b":" not in piece else b""))
        while sent < 150 * MB:
            connection.sendall(piece)
            sent += len(piece)
            slowest = max(slowest, responded(http))
    grew = (listens.memory_info().rss - before) / MB
    assert sent < 50 * MB
    assert grew < 50
    row.saw(
        f"cut off after {sent / MB:.1f} MB; /healthz took {slowest:.0f} ms at most;"
        f" the proxy grew by {grew:.0f} MB"
    )


def test_silent_connections(http: httpx.Client, url: str, row: Row) -> None:
    row.promises(
        "3,000 connections that say nothing, and more each second",
        "every other caller is served; they are closed",
    )
    with ExitStack() as stack:
        for _ in range(3_000):
            stack.enter_context(connect(url))
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as newcomer:
            slowest = max(responded(newcomer) for _ in range(5))
            begun = time.monotonic()
            assert newcomer.post("/v1/scenes", json=scene()).status_code == 200
            took_s = time.monotonic() - begun
    row.saw(f"/healthz in {slowest:.0f} ms at most, a scene 200 in {took_s:.1f} s")


def test_headers_that_trickle(http: httpx.Client, url: str, row: Row) -> None:
    row.promises("a header of one byte a second", "408 after 10 s")
    with connect(url) as connection:
        begun = time.monotonic()
        connection.settimeout(0.5)
        response = next(trickled(connection))
        took_s = time.monotonic() - begun
    assert response.startswith(b"HTTP/1.1 408 ")
    row.saw(f"408 after {took_s:.1f} s")


def trickled(connection: socket.socket) -> Iterator[bytes]:
    for byte in HEAD + b"X-A: " + b"a" * 200:
        connection.sendall(bytes([byte]))
        with suppress(TimeoutError):
            yield connection.recv(4_096)


def test_a_proxy_dies(http: httpx.Client, url: str, row: Row) -> None:
    row.promises("Serve's proxy killed", "the port is listened on again within 5 s")
    killed = until(proxy)
    killed.kill()
    killed.wait(30)
    begun = time.monotonic()
    until(lambda: listens(url))
    listens_s = time.monotonic() - begun
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        assert client.post("/v1/scenes", json=scene()).status_code == 200
        took_s = time.monotonic() - begun
        # The limits apply again, too.
        assert client.get("/healthz", headers={"x-a": "a" * 70_000}).status_code == 431
    row.saw(f"none listened for {listens_s:.1f} s; a scene 200 after {took_s:.1f} s")


def listens(url: str) -> bool:
    try:
        connect(url).close()
    except OSError:
        return False
    return True
