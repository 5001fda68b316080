"""Mutated bytes over real sockets, with the protocol of Serve's proxies: no 500, and errors in our format."""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.plain_headers import PlainHeaders
from serve.ingress import build_http
from tests.support.fuzzed_headers import HEADERS, SEEN, plain
from tests.support.local_service import served
from tests.support.mutations import mutated_bytes
from tests.support.polling import until
from tests.support.wire import Serving, serving

FIRST_SEED = int(os.environ.get("PYTEST_FUZZ_SEED", "1"))
SHORT, LONG = 200, 5_000
PATIENCE_S = 0.1
"""After so long without a byte this side ends the request."""
METHODS = (
    *(b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS"),
    *(b"TRACE", b"CONNECT", b"FOO", b"get"),
)
TARGETS = (
    *(b"/healthz", b"/v1/models", b"/v1/jobs", b"/v1/characters", b"/", b"*", b"", b"//", b"?", b"#"),
    *(b"/%ff%00/..", b"/v1/jobs?after=\xff", b"/v1/jobs/\xff\xfe", b"/v1/models/%2e%2e%2f", b"/\xe2\x80\xae"),
    *(b"http://localhost/healthz", b"http://[::1/", b"localhost:443", b"/a b", b"/;?:@&=+$,", b"/%", b"/%zz"),
)
UPGRADES = (
    *(b"Upgrade: websocket", b"Upgrade: h2c", b"Connection: Upgrade", b"Connection: close, \xff"),
    *(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13"),
    *(b"Sec-WebSocket-Protocol: \xff", b"HTTP2-Settings: \xff", b"Transfer-Encoding: chunked"),
    *(
        b"Transfer-Encoding: gzip, chunked",
        b"Content-Length: 1",
        b"Content-Length: -1",
        b"Expect: 100-continue",
    ),
    *(b"X-Session-Id: caf\xe9", b"serve_multiplexed_model_id: \xff", b"X-Request-ID: \xc3", b"X-\xff: a"),
)
BODY = json.dumps({"prompt": "a", "num_inference_steps": 1, "width": 64, "height": 64}).encode()
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
INFORMATIONAL = re.compile(rb"HTTP/1\.1 1\d\d [^\r\n]*\r\n\r\n")


@pytest.fixture
def edge(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Iterator[Serving]:
    data = config.model_dump() | {"state_dir": str(tmp_path)}
    data["limits"] |= {"body_timeout_s": 0.2}
    with serving(PlainHeaders(served(build_http(ServiceConfig.model_validate(data), graph)))) as found:
        yield found


def request(chance: random.Random) -> bytes:
    """Return a request that is nearly right."""
    method = chance.choice(METHODS)
    body = BODY if method in (b"POST", b"PUT") else b""
    version = chance.choice((b"1.1", b"1.1", b"1.0"))
    head = [b"%s %s HTTP/%s" % (method, chance.choice(TARGETS), version)]
    if chance.random() < 0.9:
        head.append(b"Host: localhost")
    if chance.random() < 0.7:
        head.append(b"Connection: close")
    if body:
        head += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    for _ in range(chance.choice((0, 0, 1, 3))):
        value = (
            chance.choice(SEEN) if chance.random() < 0.4 else plain(chance.randbytes(chance.randint(0, 30)))
        )
        head.append(chance.choice(HEADERS).encode() + b": " + value)
    head += chance.sample(UPGRADES, chance.choice((0, 0, 1, 2)))
    whole = b"\r\n".join(head) + b"\r\n\r\n" + body
    return mutated_bytes(chance, whole, (whole,)) if chance.random() < 0.3 else whole


def exchange(edge: Serving, sent: bytes) -> bytes:
    """Send the request, and read until the other side closes the connection."""
    got = b""
    with edge.connect(PATIENCE_S) as connection, suppress(ConnectionError):
        connection.sendall(sent)
        with suppress(TimeoutError):
            while data := connection.recv(1 << 16):
                got += data
        connection.settimeout(20)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(1 << 16):
            got += data
    return INFORMATIONAL.sub(b"", got)


def fuzz(edge: Serving, times: int) -> Counter[int]:
    """Send so many requests. Fails with the seed of the first wrong response."""
    counts: Counter[int] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + times):
        sent = request(random.Random(f"wire {seed}"))
        got = exchange(edge, sent)
        begins = STATUS.match(got)
        status = int(begins[1]) if begins else 0
        counts[status] += 1
        assert status not in (500, 502), (seed, sent[:300], got[:300])
        if status >= 400:
            head, _, body = got.partition(b"\r\n\r\n")
            assert b"\r\nx-request-id: " in head.lower(), (seed, sent[:300], got[:300])
            assert not body or b'"request_id"' in body, (seed, sent[:300], got[:300])
    return counts


def test_an_application_hears_of_no_fault_that_is_the_callers() -> None:
    """The body is invalid, and its caller waits for 100 Continue: the response has been sent already."""
    received: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while not received or received[-1] == "http.request":
                received.append((await receive())["type"])
        except RuntimeError as fault:
            received.append(fault)

    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(app) as edge:
        assert STATUS.match(exchange(edge, head + b"zz\r\n"))
        until(lambda: received and received[-1] != "http.request")
    assert received == ["http.disconnect"]


@pytest.mark.timeout(300)
def test_some_requests(edge: Serving) -> None:
    counts = fuzz(edge, SHORT)
    assert {200, 400, 404} <= set(counts)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_many_requests(edge: Serving) -> None:
    print(dict(fuzz(edge, LONG)))
