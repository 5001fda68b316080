"""The start fails if the process that listens has no limits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from serve.http.edge_check import Unbounded, refuses_long_headers, wait_until_bounded
from tests.support.polling import until
from tests.support.wire import Echo, serving


def test_ours_passes() -> None:
    with serving(Echo()) as edge:
        refuses_long_headers("http://{}:{}/paint".format(*edge.address), None)


@contextmanager
def plain_uvicorn() -> Iterator[str]:
    config = uvicorn.Config(Echo(), "127.0.0.1", 0, log_level="critical", lifespan="off", http="httptools")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until(lambda: server.started)
            yield "http://{}:{}".format(*listener.getsockname())
        finally:
            server.should_exit = True
            thread.join()


def test_uvicorn_by_itself_does_not() -> None:
    with plain_uvicorn() as url, pytest.raises(Unbounded, match="200"):
        refuses_long_headers(url, None)


def test_a_listener_that_leaves_gets_no_report() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            refuses_long_headers("http://{}:{}".format(*nobody.getsockname()), None)


REFUSED = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"


def dies(listener: socket.socket) -> None:
    """Accept a connection and close it as a killed process does, with a reset."""
    connection, _ = listener.accept()
    connection.recv(1_024)  # The rest is unread, so closing sends a reset.
    connection.close()


def hangs_up(listener: socket.socket) -> None:
    """Read the whole request and close without a response."""
    connection, _ = listener.accept()
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += connection.recv(1 << 20)
    connection.close()


@pytest.mark.parametrize("end", [dies, hangs_up])
def test_a_listener_that_dies_and_is_replaced_ends_no_start(end: Callable[[socket.socket], None]) -> None:
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        first.bind(("127.0.0.1", 0))
        first.listen()
        host, port = first.getsockname()
        url, checked = f"http://{host}:{port}", threading.Event()

        def replaced() -> None:
            end(first)
            first.close()
            assert checked.wait(20)  # the check ran again while nothing listened
            with socket.create_server((host, port)) as successor:
                connection, _ = successor.accept()
                with connection:
                    connection.sendall(REFUSED)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 20):
                        pass

        thread = threading.Thread(target=replaced)
        thread.start()
        tries = []

        def check() -> None:
            tries.append(None)
            if len(tries) == 3:
                checked.set()

        wait_until_bounded(url, None, 20, check)
        thread.join()
    assert len(tries) >= 3


def test_nobody_to_the_end_is_an_error() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            wait_until_bounded("http://{}:{}".format(*nobody.getsockname()), None, 0)


def test_what_watches_ray_ends_the_waiting() -> None:
    def ended() -> None:
        raise KeyError("Ray")

    with pytest.raises(KeyError):
        wait_until_bounded("http://127.0.0.1:1", None, 20, ended)


def test_another_answer_is_not_waited_for() -> None:
    tries: list[None] = []
    with plain_uvicorn() as url, pytest.raises(Unbounded, match="200"):
        wait_until_bounded(url, None, 20, lambda: tries.append(None))
    assert len(tries) == 1
