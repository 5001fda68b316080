"""Both clients report faults of connections and responses in one sentence."""

from __future__ import annotations

import datetime
import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scenewright import NotScenewright, NotSent, Scenewright, ServerUnreachable
from tests.support.sending import BOTH, NEVER, SECRET, not_sent, raised

Send = Callable[..., None]
MODELS = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"data": []}'


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def answering(
    data: bytes = MODELS,
    tls: ssl.SSLContext | None = None,
    end: Callable[[socket.socket], None] | None = None,
) -> Iterator[int]:
    """Run a server that answers every connection with `data` and closes it; yield its port."""

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with suppress(OSError), connection:
                if stopping.is_set():
                    return
                connection.settimeout(10)
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    connection.recv(65_536)
                    connection.sendall(data)
                    if end is not None:
                        end(connection)

    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def certificate(folder: Path, name: str = "localhost", days: int = 1) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS context with a self-signed certificate, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(10)).not_valid_after(
        now + datetime.timedelta(days)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    file = folder / f"{name}.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, folder / "key.pem")
    return context, file


@BOTH
@pytest.mark.parametrize(
    ("name", "days", "trusted", "why"),
    [
        ("localhost", 1, False, "set SSL_CERT_FILE to the file"),
        ("localhost", -1, True, "it has expired"),
        ("another.example", 1, True, "it is for another host name"),
    ],
)
def test_a_certificate_that_is_not_accepted(
    send: Send,
    name: str,
    days: int,
    trusted: bool,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context, file = certificate(tmp_path, name, days)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with answering(tls=context) as port:
        error = not_sent(send, f"https://localhost:{port}", SECRET)
    assert error.message.startswith(f"the certificate of https://localhost:{port} is not accepted")
    assert why in error.message and error.param == "url"


@BOTH
def test_a_certificate_of_ones_own_is_trusted_on_this_machine_too(
    send: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with answering(tls=context) as port:
        send(f"https://localhost:{port}/")


@BOTH
@pytest.mark.parametrize("data", [MODELS, b"", b"SSH-2.0-x\r\n"])
def test_tls_where_there_is_none(send: Send, data: bytes) -> None:
    with answering(data) as port:
        error = not_sent(send, f"https://127.0.0.1:{port}")
    assert "if it uses plain HTTP, begin with http://" in error.message


@BOTH
def test_no_tls_where_there_is_some(send: Send, tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with answering(tls=context) as port:
        error = raised(send, f"http://127.0.0.1:{port}", SECRET)
    assert isinstance(error, ServerUnreachable)
    assert f"http://127.0.0.1:{port}" in str(error)


@BOTH
@pytest.mark.parametrize(
    ("data", "end"),
    [
        *(
            (data, None)
            for data in (b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"\x15\x03\x01\x00\x02")
        ),
        *(
            (data, None)
            for data in (MODELS[:-3], b"HTTP/1.1 200 OK\r\nBroken\r\n\r\n", b"HTTP/1.1 abc x\r\n\r\n")
        ),
        *((data, reset) for data in (b"", MODELS[:-3])),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", None),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, None),
    ],
)
def test_a_server_that_cuts_the_connection(
    send: Send, data: bytes, end: Callable[[socket.socket], None] | None
) -> None:
    with answering(data, end=end) as port:
        error = raised(send, f"http://127.0.0.1:{port}", SECRET)
    assert isinstance(error, ServerUnreachable) and not error.refused
    said = ("was lost before the response was complete", "did not send a valid HTTP response")
    assert any(words in str(error) for words in said)


@BOTH
@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Type: text/html", b"<html>"),
        ("Content-Type: application/json", b'{"data": ['),
        ("Content-Type: application/json", b"\xff\xfe\x00"),
        ("Content-Type: application/json; charset=nonsense", b"[" * 100_000),
        ("Content-Encoding: gzip", b"no gzip"),
        ("Content-Encoding: gzip", gzip.compress(b"<html>", mtime=0)),
        ("X: y", b'{"data": {"a": 1}}'),
        ("X: y", b'{"data": [1]}'),
        ("X: y", b'{"data": null}'),
        ("X: y", b""),
    ],
)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "502 Bad Gateway"])
def test_an_answer_of_another_server(send: Send, status: str, head: str, body: bytes) -> None:
    data = f"HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with answering(data) as port:
        assert type(raised(send, f"http://127.0.0.1:{port}", SECRET)) is NotScenewright


@BOTH
@pytest.mark.parametrize(
    ("location", "reported"),
    [
        (f"https://u:{SECRET}@scenes.example:8443/v1/models?key={SECRET}", "https://scenes.example:8443"),
        ("/elsewhere", "redirects (HTTP 301)"),
        ("\xff", "redirects (HTTP 301)"),
    ],
)
def test_a_redirect_is_reported_and_not_followed(send: Send, location: str, reported: str) -> None:
    data = f"HTTP/1.1 301 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    with answering(data) as port:
        error = raised(send, f"http://127.0.0.1:{port}", SECRET)
    assert type(error) is NotScenewright and reported in error.message


@BOTH
@pytest.mark.parametrize(("status", "reported"), [(407, "(HTTP 407)"), (502, "(HTTP 502)")])
def test_a_proxy_that_refuses(
    send: Send, status: int, reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://u:{SECRET}@127.0.0.1:{port}")
        error = raised(send, "https://scenes.example", SECRET)
    assert "the proxy set in HTTPS_PROXY did not connect" in str(error) and reported in str(error)


@BOTH
def test_no_such_host(send: Send) -> None:
    error = raised(send, "http://nobody.invalid:8000/")
    assert str(error) == "no Scenewright at http://nobody.invalid:8000: the host name cannot be resolved"


@BOTH
def test_nobody_listens(send: Send) -> None:
    error = raised(send, "http://127.0.0.1:9/")
    assert isinstance(error, ServerUnreachable) and error.refused
    assert str(error) == "no Scenewright at http://127.0.0.1:9"


def test_a_transport_of_one_s_own_takes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("x", request=request)

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    transport = httpx.MockTransport(refuse)
    error = raised(Scenewright("http://scenes:1", retries=NEVER, transport=transport).ready)
    assert isinstance(error, ServerUnreachable) and "proxy" not in str(error)


def test_readiness_is_not_anybodys_200() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="<html>"))
    assert (
        type(raised(Scenewright("http://scenes:1", retries=NEVER, transport=transport).ready))
        is NotScenewright
    )


@pytest.mark.parametrize(
    "fault", [httpx.LocalProtocolError("x"), httpx.TooManyRedirects("x"), httpx.StreamClosed()]
)
def test_nothing_of_httpx_comes_through(fault: Exception) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise fault

    service = Scenewright("http://scenes:1", retries=NEVER, transport=httpx.MockTransport(answer))
    assert isinstance(raised(service.models), ServerUnreachable)
    assert isinstance(raised(lambda: next(service.scene_events("a", "b"))), ServerUnreachable)


@pytest.mark.parametrize(
    "strange",
    [
        httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
        httpx.Response(400, json={"error": {"code": ["a"], "message": "m"}}),
        httpx.Response(400, json={"error": {"code": "a", "message": {"b": 1}}}),
        httpx.Response(200, text="data: " + "[" * 100_000 + "\n\n"),
    ],
)
def test_a_stream_of_another_server(strange: httpx.Response) -> None:
    service = Scenewright(
        "http://scenes:1", retries=NEVER, transport=httpx.MockTransport(lambda request: strange)
    )
    assert type(raised(lambda: next(service.scene_events("a", "b")))) is NotScenewright


def test_what_only_the_caller_can_mend_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    context, _ = certificate(tmp_path)
    waits: list[float] = []
    monkeypatch.setattr("scenewright.sessions.time.sleep", waits.append)
    with answering(tls=context) as port, pytest.raises(NotSent):
        Scenewright(f"https://localhost:{port}").models()
    assert waits == []
