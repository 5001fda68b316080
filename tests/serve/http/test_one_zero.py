"""Clients of HTTP/1.0 and of HTTP/1.1 on the same server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from serve.http.bounded_protocol import BoundedProtocol
from tests.support.local_service import listening


class Streaming:
    """Responds with two pieces, the second one once `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"x/y")]})
        await send({"type": "http.response.body", "body": b"first " + body, "more_body": True})
        while not self.go_on.is_set():
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b" last", "more_body": False})


@contextmanager
def serving(app: Streaming) -> Iterator[socket.socket]:
    """Serve the application; yield a connection to it."""
    with listening(app, http=BoundedProtocol) as url:
        where = urlsplit(url)
        try:
            with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
                yield connection
        finally:
            app.go_on.set()


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = connection.recv(65_536)
        assert piece, data
        data += piece
    return data


def read_to_the_end(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65_536):
        data += piece
    return data


@pytest.mark.parametrize("at_once", [True, False])
def test_one_zero_streams_without_chunks_until_the_connection_ends(at_once: bool) -> None:
    app = Streaming()
    request = b"POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody"
    with serving(app) as connection:
        for piece in [request] if at_once else [bytes([byte]) for byte in request]:
            connection.sendall(piece)
        begun = read_until(connection, b"body")
        app.go_on.set()
        head, _, body = (begun + read_to_the_end(connection)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == b"first body last"


def test_one_one_streams_in_chunks_and_the_connection_stays() -> None:
    app = Streaming()
    app.go_on.set()
    with serving(app) as connection:
        for _ in range(2):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            response = read_until(connection, b"0\r\n\r\n")
            assert b"transfer-encoding: chunked" in response.lower()
            assert b"6\r\nfirst \r\n" in response


@pytest.mark.parametrize(
    "nonsense", [b"GET\r\n\r\n", b"\r\n\r\n\r\nx\r\n", b"a" * 70_000, b"GET / HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_request_is_refused(nonsense: bytes) -> None:
    with serving(Streaming()) as connection:
        connection.sendall(nonsense)
        connection.shutdown(socket.SHUT_WR)
        assert read_to_the_end(connection)[:12] in (b"HTTP/1.1 400", b"")
