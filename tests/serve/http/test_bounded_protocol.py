"""Limits on what one caller takes of the process that listens, over real sockets, on both event loops."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from serve.http.bounded_protocol import MOST_PIPELINED
from tests.support.certificates import Pair, make_pair
from tests.support.polling import until
from tests.support.wire import GET, Echo, Serving, flood, is_closed, refusal, responses, serving

MB = 1 << 20
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app() -> Echo:
    return Echo()


@pytest.fixture
def edge(app: Echo, loop: str) -> Iterator[Serving]:
    with serving(app, loop) as found:
        yield found


def fields(size: int) -> bytes:
    """Return many short headers of `size` bytes in total."""
    return b"".join(b"x-%05d: %s\r\n" % (index, b"a" * 50) for index in range(size // 62))


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (HEAD + b"X-A: ", b"a" * 65_536),
        (HEAD + b"X-A: ", b"a" * 1_000),
        (HEAD, fields(62_000)),
        (HEAD, b"a:\r\n" * 1_000),
        (HEAD + b"X", b"-A" * 10_000),
        (b"GET /", b"a" * 65_536),
        (b"", b"G" * 65_536),
        (b"", b"\r\n" * 10_000),
        (b"GET /?", b"a&" * 10_000),
        (b"GET / HTTP/1.0\r\nX-A: ", b"a" * 65_536),
        (b"GET / HTTP/1.0\r\n", b"a: b\r\n" * 1_000),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_a_header_without_end_is_refused_early(edge: Serving, app: Echo, start: bytes, piece: bytes) -> None:
    with edge.connect() as connection:
        connection.sendall(start)
        assert flood(connection, lambda _: piece, 64 * MB) < 48 * MB
    with edge.connect() as connection:
        connection.sendall(start)
        flood(connection, lambda _: piece, 70_000)
        status, code = refusal(connection)
    assert (status, code) in ((431, "header_too_large"), (400, "invalid_request"))
    assert status == 431 or not start
    assert app.paths == []
    edge.settles_at(0)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize(("size", "status"), [(60_000, 200), (65_300, 200), (66_000, 431), (90_000, 431)])
def test_up_to_the_limit_a_header_passes(edge: Serving, version: bytes, size: int, status: int) -> None:
    start = b"GET / HTTP/" + version + b"\r\nHost: a\r\nX-A: "
    with edge.connect() as connection:
        connection.sendall(start + b"a" * size + b"\r\n\r\n")
        assert responses(connection, 1)[0][0] == status


def test_so_many_headers_pass_and_no_more(edge: Serving) -> None:
    for count, status in ((999, 200), (1_000, 431)):
        with edge.connect() as connection:
            connection.sendall(HEAD + b"a: b\r\n" * count + b"\r\n")
            assert responses(connection, 1)[0][0] == status


def test_a_header_that_trickles_is_refused_in_time(app: Echo, loop: str) -> None:
    with serving(app, loop, header_timeout_s=0.4) as edge, edge.connect() as connection:
        connection.settimeout(0.05)
        for byte in HEAD * 10:
            connection.sendall(bytes([byte]))
            try:
                begun = connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                continue
            assert begun
            break
        connection.settimeout(20)
        assert refusal(connection) == (408, "request_timeout")
        edge.settles_at(0)


@pytest.mark.parametrize("before", [b"", GET], ids=["new", "kept alive"])
@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.0\r\nA: "], ids=repr)
def test_one_that_falls_silent_is_closed(app: Echo, loop: str, before: bytes, sent: bytes) -> None:
    with serving(app, loop, header_timeout_s=0.3) as edge, edge.connect() as connection:
        if before:
            connection.sendall(before)
            assert responses(connection, 1)[0][0] == 200
            sent = sent if sent.strip() else sent + b"G"  # otherwise uvicorn's keep-alive timeout applies
        connection.sendall(sent)
        if sent.strip():  # empty lines before a request are not part of it
            assert refusal(connection)[0] in (408, 400)
        assert is_closed(connection)
        edge.settles_at(0)


def test_silent_connections_make_room(app: Echo, loop: str) -> None:
    with serving(app, loop, connections=20, health_connections=4) as edge, ExitStack() as stack:
        silent = [stack.enter_context(edge.connect()) for _ in range(24)]
        until(lambda: len(edge.table) == 24)
        for _ in range(30):
            with edge.connect() as connection:
                connection.sendall(GET)
                assert responses(connection, 1)[0][0] == 200
        assert len(edge.table) <= 24
        assert is_closed(silent[0])


def test_a_request_that_has_just_come_is_not_what_makes_room(app: Echo, loop: str) -> None:
    with serving(app, loop, connections=8, health_connections=0) as edge, ExitStack() as stack:
        requested = stack.enter_context(edge.connect())
        requested.sendall(GET)
        for _ in range(200):
            stack.enter_context(edge.connect())
        assert responses(requested, 1)[0][0] == 200


def test_an_answer_on_its_way_is_not_what_makes_room(app: Echo, loop: str) -> None:
    app.large = b"a" * (16 * MB)
    with serving(app, loop, connections=8, health_connections=0) as edge, ExitStack() as stack:
        requested = stack.enter_context(edge.connect())
        requested.sendall(GET)
        edge.settles_at(waiting=1)
        until(lambda: app.paths)
        for _ in range(200):
            stack.enter_context(edge.connect())
        ((status, _, body),) = responses(requested, 1)
        assert (status, len(body)) == (200, len(app.large))


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
    ids=["empty", "length", "chunked"],
)
@pytest.mark.parametrize("count", [1, 3])
def test_a_connection_may_rest(app: Echo, loop: str, request_bytes: bytes, count: int) -> None:
    """It may be idle for longer than a header may take: a 408 would be read as the next response."""
    with serving(app, loop, header_timeout_s=0.2) as edge, edge.connect() as connection:
        for _ in range(2):
            connection.sendall(request_bytes * count)
            assert [status for status, _, _ in responses(connection, count)] == [200] * count
            connection.settimeout(0.35)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(20)
        connection.sendall(HEAD)
        assert refusal(connection) == (408, "request_timeout")


@pytest.mark.parametrize(
    ("head", "pieces"),
    [
        (b"Content-Length: 4\r\n\r\n", [b"abcd"]),
        (b"Content-Length: 8\r\n\r\n", [b"a"] * 8),
        (b"Transfer-Encoding: chunked\r\n\r\n", [b"3\r\nabc\r\n"] * 6 + [b"0\r\n\r\n"]),
    ],
    ids=["at once", "slowly", "chunked"],
)
def test_a_body_that_comes_after_its_header_may_take_longer_than_one(
    app: Echo, loop: str, head: bytes, pieces: list[bytes]
) -> None:
    """Send the header and the body separately, as most clients do, while a picture is painted."""
    with serving(app, loop, header_timeout_s=0.2) as edge, edge.connect() as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nHost: a\r\n" + head)
        edge.settles_at(working=1)
        for piece in pieces:
            assert is_silent(connection, 0.08)
            connection.sendall(piece)
        assert is_silent(connection, 0.5)
        app.go_on.set()
        assert responses(connection, 1)[0][0] == 200
        assert is_silent(connection, 0.35), "afterwards the connection may be idle"
        connection.sendall(GET)
        assert responses(connection, 1)[0][0] == 200


def is_silent(connection: socket.socket, seconds: float) -> bool:
    """Return whether nothing arrives for so long, including the connection's end."""
    connection.settimeout(seconds)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(20)
    return False


def test_an_empty_line_after_a_request_is_no_part_of_the_next(app: Echo, loop: str) -> None:
    """A 408 would be read as the response to the next request."""
    with serving(app, loop, header_timeout_s=0.2) as edge, edge.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na")
        assert responses(connection, 1)[0][0] == 200
        for line in (b"\r\n", b"\r", b"\n"):
            connection.sendall(line)
            assert is_silent(connection, 0.3)
        connection.sendall(b"\r\n" + GET)
        assert responses(connection, 1)[0][0] == 200
        connection.sendall(b"\r\n" + HEAD)
        assert refusal(connection) == (408, "request_timeout")


def test_an_answered_request_keeps_no_place_by_its_body(app: Echo, loop: str) -> None:
    with (
        serving(app, loop, connections=8, health_connections=0, linger_s=60) as edge,
        ExitStack() as stack,
    ):
        for _ in range(8):
            trickles = stack.enter_context(edge.connect())
            trickles.sendall(b"POST /at-once HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            assert responses(trickles, 1)[0][0] == 200
        with edge.connect() as connection:
            connection.sendall(GET)
            assert responses(connection, 1)[0][0] == 200


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_only_reading_is_a_check_of_health(app: Echo, loop: str, version: bytes) -> None:
    with serving(app, loop, connections=1, health_connections=4) as edge, edge.connect() as busy:
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        edge.settles_at(0, working=1)
        for method, status in ((b"POST", 429), (b"GET", 200), (b"HEAD", 200)):
            with edge.connect() as connection:
                connection.sendall(method + b" /healthz HTTP/" + version + b"\r\nHost: a\r\n\r\n")
                assert int(connection.recv(4_096).split()[1]) == status
            edge.settles_at(0, working=1)


def test_where_all_work_health_is_still_answered(app: Echo, loop: str) -> None:
    with serving(app, loop, connections=8, health_connections=4) as edge, ExitStack() as stack:
        for _ in range(8):
            busy = stack.enter_context(edge.connect())
            busy.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        edge.settles_at(0, working=8)
        for path, status in ((b"/v1/models", 429), (b"/healthz", 200), (b"/paint/readyz?a=b", 200)):
            with edge.connect() as connection:
                connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
                ((found, headers, _),) = responses(connection, 1)
                assert (found, "retry-after" in headers) == (status, status == 429)
            edge.settles_at(0, working=8)
        app.go_on.set()
        edge.settles_at(8)


def test_an_address_has_only_so_many(app: Echo, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.http.bounded_protocol.get_remote_addr", lambda _: ("192.0.2.7", 1))
    with serving(app, loop, connections_per_address=3) as edge, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(edge.connect())
        edge.settles_at(3)
        with edge.connect() as connection:
            assert refusal(connection) == (429, "rate_limited")
        stack.pop_all().close()
        edge.settles_at(0)
        with edge.connect() as connection:
            connection.sendall(GET)
            assert responses(connection, 1)[0][0] == 200


@pytest.mark.parametrize(
    "piece",
    [b"1;" + b"a" * 65_536, b"0\r\nx: " + b"a" * 65_536, b"0\r\n" + b"x: y\r\n" * 12_000, b"0" * 65_536],
    ids=["extension", "one trailer", "trailers", "size"],
)
def test_chunks_that_are_all_framing_are_refused(edge: Serving, piece: bytes) -> None:
    with edge.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        flood(connection, lambda sent: piece if not sent else b"a" * 9_000, 80_000)
        assert refusal(connection) == (400, "invalid_request")
    edge.settles_at(0)


def test_small_chunks_extensions_and_trailers_are_fine(edge: Serving) -> None:
    body = b"1;name=value\r\na\r\n" * 4_000 + b"0\r\nchecksum: 1\r\n\r\n"
    with edge.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + GET)
        first, second = responses(connection, 2)
    assert (first[2], second[2]) == (b'{"length": 4000, "headers": 2}', b'{"length": 0, "headers": 1}')


def test_a_large_body_arrives_whole(edge: Serving) -> None:
    with edge.connect() as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"a" * 9_000_000
        )
        assert responses(connection, 1)[0][2] == b'{"length": 9000000, "headers": 2}'


def test_one_large_body_after_another_arrives_whole(edge: Serving) -> None:
    """Reuse the connection, as any client or HAProxy does."""
    with edge.connect() as connection:
        for size in (500_000, 20_000, 300_000):
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
            connection.sendall(head + b"a" * size)
            status, _, body = responses(connection, 1)[0]
            assert (status, json.loads(body)["length"]) == (200, size)


def test_pipelined_requests_are_all_answered_in_order(edge: Serving, app: Echo) -> None:
    with edge.connect() as connection:
        for index in range(1_000):
            connection.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % index)
        assert [status for status, _, _ in responses(connection, 1_000)] == [200] * 1_000
    assert app.paths == [f"/{index}" for index in range(1_000)]


def test_a_pipeline_without_end_is_not_taken_in(edge: Serving, app: Echo) -> None:
    with edge.connect(timeout=1) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        edge.settles_at(0, working=1)
        sent = flood(connection, lambda _: GET * 10_000, 256 * MB)
        assert sent < 64 * MB, "only what the kernel buffers"
        assert len(app.paths) <= 1 + MOST_PIPELINED
        app.go_on.set()
        connection.settimeout(20)
        assert [status for status, _, _ in responses(connection, 100)] == [200] * 100


def test_a_body_that_nobody_waited_for_does_not_go_on_for_ever(edge: Serving) -> None:
    with edge.connect() as connection:
        connection.sendall(b"POST /at-once HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        assert responses(connection, 1)[0][0] == 200
        assert flood(connection, lambda _: b"a" * 65_536, 256 * MB) < 64 * MB
    edge.settles_at(0)


def test_a_connection_is_kept_where_the_rest_of_the_body_comes(edge: Serving) -> None:
    with edge.connect() as connection:
        connection.sendall(b"POST /at-once HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
        assert responses(connection, 1)[0][0] == 200
        connection.sendall(b"a" * 500_000 + GET)
        assert responses(connection, 1)[0][0] == 200
        edge.settles_at(1)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_one_that_never_reads_its_answer_is_ended(app: Echo, loop: str, version: bytes) -> None:
    app.large = b"a" * (32 * MB)
    with serving(app, loop, stalled_after_s=0.3) as edge, edge.connect() as connection:
        connection.sendall(b"GET / HTTP/" + version + b"\r\nHost: a\r\n\r\n")
        until(lambda: app.paths)
        edge.settles_at(0)


@pytest.mark.parametrize(
    "malformed", [b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n"]
)
def test_what_is_no_request_is_refused_in_our_shape(edge: Serving, malformed: bytes) -> None:
    with edge.connect() as connection:
        connection.sendall(malformed)
        assert refusal(connection) == (400, "invalid_request")
        assert is_closed(connection)


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_an_upgrade_is_answered_as_plain_http(edge: Serving, upgrade: bytes) -> None:
    requested = HEAD + b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\nSec-WebSocket-Key: x\r\n\r\n"
    with edge.connect() as connection:
        connection.sendall(requested)
        assert responses(connection, 1)[0][0] == 200


SERVES = pytest.mark.parametrize("loop", ["uvloop"], indirect=True)
"""Without asyncio's own loop, which warns about its transports if a connection ends during its handshake."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("tls"))


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@contextmanager
def secured(edge: Serving, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with edge.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        yield connection


def test_tls_is_spoken_and_bounded(app: Echo, loop: str, pair: Pair) -> None:
    context = trusting(pair.certificate)
    with serving(app, loop, tls=pair) as edge:
        for start, status in ((GET, 200), (HEAD + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n", 431)):
            with (
                edge.connect() as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
            ):
                connection.sendall(start)
                assert responses(connection, 1)[0][0] == status
        edge.settles_at(0)


@SERVES
@pytest.mark.parametrize("sent", [b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n"], ids=repr)
def test_a_handshake_that_never_ends_is_ended(app: Echo, loop: str, pair: Pair, sent: bytes) -> None:
    with serving(app, loop, tls=pair, header_timeout_s=0.4) as edge, edge.connect() as connection:
        connection.sendall(sent)
        connection.recv(100)
        edge.settles_at(0)


@SERVES
def test_connections_count_before_their_handshake(app: Echo, loop: str, pair: Pair) -> None:
    context = trusting(pair.certificate)
    with serving(app, loop, tls=pair, connections=8, health_connections=0) as edge, ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(edge.connect())
        until(lambda: len(edge.table) == 8)
        with secured(edge, context) as connection:
            connection.sendall(GET)
            assert responses(connection, 1)[0][0] == 200
