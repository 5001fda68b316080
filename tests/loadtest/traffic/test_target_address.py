"""Check the address and the key of a load test before it begins."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from loadtest.traffic.target_address import (
    AddressError,
    base_address,
    bearer,
    check_listening,
)

SECRET = "sup3rsecret"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        *((f"http://h:8000{end}", "http://h:8000") for end in ("", "/", "//", "/\n", " ")),
        *((f"HTTPS://h/paint{end}", "https://h/paint") for end in ("", "/", "///")),
        ("http://[::1]:8000//a//b/", "http://[::1]:8000/a/b"),
    ],
)
def test_slashes_at_the_end_do_not_count(given: str, address: str) -> None:
    assert base_address(given) == address


@pytest.mark.parametrize(
    "given",
    [
        *("", "here", "localhost:8000", "ftp://h", "http://", "http://:80", "http://h:99999", "http://h:0"),
        *("http://h:x", "http://[::1", "http://a b", "http://a..b", f"http://{'a' * 64}", "http://h\x00"),
        *(f"http://u:{SECRET}@h", f"http://h?key={SECRET}", f"http://h#{SECRET}", "http://h/caf\udce9"),
    ],
)
def test_an_address_that_cannot_be(given: str) -> None:
    with pytest.raises(AddressError, match="address") as caught:
        base_address(given)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("key", [f"{SECRET}\nx", f"{SECRET}ü", f"Bearer {SECRET}", f"{SECRET}\x00"])
def test_a_key_that_no_header_can_carry(key: str) -> None:
    with pytest.raises(AddressError, match="the API key") as caught:
        bearer(key)
    assert SECRET not in str(caught.value)


def test_a_key_from_a_file_may_end_with_a_newline() -> None:
    assert [bearer(key) for key in ("k\n", " k", "", " \n", None)] == ["k", "k", None, None, None]


@pytest.fixture
def plain() -> Iterator[int]:
    """Run a server without TLS, and yield its port."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as connection:
                    connection.recv(1_000)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_what_cannot_be_connected_to_is_reported(plain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check_listening(f"http://127.0.0.1:{plain}")
    for url, why in (
        (f"https://127.0.0.1:{plain}", "if it uses plain HTTP, begin with http://"),
        ("http://127.0.0.1:9", "nothing responds at http://127.0.0.1:9: Connection refused"),
        ("http://nobody.invalid", "nothing responds at http://nobody.invalid"),
    ):
        with pytest.raises(AddressError, match=why):
            check_listening(url)
    untrusted = ssl.SSLCertVerificationError("x")
    untrusted.verify_message = "self-signed certificate"

    def refuse(*_: object, **__: object) -> None:
        raise untrusted

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", refuse)
    with pytest.raises(AddressError, match="is not accepted: self-signed certificate; set SSL_CERT_FILE"):
        check_listening(f"https://127.0.0.1:{plain}")
