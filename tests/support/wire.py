"""Run a server with our protocol in a thread, and exchange raw bytes with it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.http import proxy_hook
from serve.http.bounded_protocol import BoundedProtocol
from serve.http.connection_limits import ConnectionLimits
from serve.http.connection_table import ConnectionTable
from tests.support.polling import until
from tests.support.quick_server import QuickServer

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Echo:
    """Respond with the body's length and the number of headers; `/slow` waits for `go_on`."""

    go_on: threading.Event = field(default_factory=threading.Event)
    paths: list[str] = field(default_factory=list)
    large: bytes = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        length = 0
        if scope["path"] != "/at-once":
            while (message := await receive())["type"] == "http.request":
                length += len(message["body"])
                if not message["more_body"]:
                    break
        while scope["path"] == "/slow" and not self.go_on.is_set():
            await asyncio.sleep(0.005)
        body = self.large or json.dumps({"length": length, "headers": len(scope["headers"])}).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Serving:
    address: tuple[str, int]
    table: ConnectionTable

    def connect(self, timeout: float = 20) -> socket.socket:
        return socket.create_connection(self.address, timeout)

    def settles_at(self, waiting: int = 0, working: int = 0) -> None:
        until(lambda: (len(self.table), self.table.working) == (waiting + working, working))


@contextmanager
def serving(app: ASGIApp, loop: str = "asyncio", tls: Any = None, **limits: Any) -> Iterator[Serving]:
    table = ConnectionTable(ConnectionLimits(**{"linger_s": 0.3, **limits}))
    protocol = type("Protocol", (BoundedProtocol,), {"table": table})
    options = {} if tls is None else {"ssl_keyfile": str(tls.key), "ssl_certfile": str(tls.certificate)}
    config = uvicorn.Config(
        app,
        "127.0.0.1",
        0,
        log_level="critical",
        lifespan="off",
        http=protocol,
        loop=loop,
        timeout_keep_alive=30,
        **options,
    )
    server = Server(config)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())
            yield Serving(listener.getsockname(), table)
        finally:
            server.force_exit = server.should_exit = True
            if isinstance(app, Echo):
                app.go_on.set()
            thread.join()


class Server(QuickServer):
    """Start as our hook makes Serve's server start."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await proxy_hook._startup(self, sockets)


def responses(
    connection: socket.socket | ssl.SSLSocket, count: int
) -> list[tuple[int, dict[str, str], bytes]]:
    """Read `count` responses; fewer if the connection ends before."""
    with connection.makefile("rb") as stream:
        found = []
        while len(found) < count and (line := stream.readline()):
            headers = {}
            while (header := stream.readline().strip()) != b"":
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers["content-length"]))
            found.append((int(line.split()[1]), headers, body))
        return found


def refusal(connection: socket.socket) -> tuple[int, str]:
    """Return status and code of the next response, which must have the documented shape."""
    ((status, headers, body),) = responses(connection, 1)
    error = json.loads(body)["error"]
    assert error["request_id"] == headers["x-request-id"]
    assert headers["connection"] == "close"
    return status, error["code"]


def is_closed(connection: socket.socket) -> bool:
    """Return whether the other side closes the connection without sending anything more."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def flood(connection: socket.socket, piece: Callable[[int], bytes], most_bytes: int) -> int:
    """Send pieces until the other side stops reading; return how many bytes were sent."""
    sent = 0
    while sent < most_bytes:
        data = piece(sent)
        try:
            connection.sendall(data)
        except (ConnectionError, TimeoutError):
            break
        sent += len(data)
    return sent
