"""Notice at the start that nothing bounds the process that listens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from serve.http.edge_check import Unbounded, refuses_long_headers
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
