"""The service listens on --host, or refuses it in one sentence before Ray starts."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from serve.runtime import listen_address
from serve.runtime.listen_address import (
    check_port,
    free_port,
    resolve,
    url_of,
)
from serve.runtime.start_errors import CannotStart

EVERY_IPV4 = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(
    ("host", "numeric"),
    [
        ("127.0.0.1", "127.0.0.1"),
        (EVERY_IPV4, EVERY_IPV4),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::", "::"),
        ("[::]", "::"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
    ],
)
def test_a_host_is_a_numeric_address(host: str, numeric: str) -> None:
    assert resolve(host) == numeric


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("", "use an address of this machine"),
        ("   ", "use an address of this machine"),
        ("*", "this name has no known address"),
        ("999.1.1.1", "this name has no known address"),
        ("1::2::3", "this name has no known address"),
        ("[::1", "this name has no known address"),
        ("no such host", "this name has no known address"),
        ("a" * 70 + ".example", "this name has no known address"),
        ("x..y", "this name has no known address"),
        ("nul\0l", "use an address of this machine"),
        ("fe80::1%lo", "addresses with a zone"),
        ("http://127.0.0.1", "leave out the scheme"),
        ("127.0.0.1:9000", "give the port with --port, and only 127.0.0.1 as the host"),
        ("[::1]:9000", "give the port with --port, and only [::1] as the host"),
        ("localhost:9000", "give the port with --port, and only localhost as the host"),
    ],
)
def test_what_is_no_host_is_refused_in_one_sentence(
    host: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(name: str, *rest: Any, **options: Any) -> Any:
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(listen_address.socket, "getaddrinfo", unknown)
    with pytest.raises(CannotStart) as caught:
        resolve(host)
    assert why in str(caught.value)
    assert str(caught.value).startswith("cannot listen on ")
    assert "\n" not in str(caught.value)


def test_a_name_with_both_kinds_of_address_is_reached_by_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.3", 0)),
    ]
    monkeypatch.setattr(listen_address.socket, "getaddrinfo", lambda *arguments, **options: both)
    assert resolve("paint.example") == "127.0.0.3"
    monkeypatch.setattr(listen_address.socket, "getaddrinfo", lambda *arguments, **options: both[:1])
    assert resolve("paint.example") == "::1", "Serve could not bind the name itself"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        (EVERY_IPV4, "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
    ],
)
def test_the_url_of_an_address(host: str, url: str) -> None:
    assert url_of(host, 8000) == url


def test_the_url_of_a_service_with_tls_under_a_path() -> None:
    assert url_of("::1", 8443, "https", "/paint") == "https://[::1]:8443/paint"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_refused(host: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f":{port}: Address already in use; choose another with --port"):
            check_port(host, port)
        with pytest.raises(CannotStart, match="choose another with --metrics-port"):
            check_port(host, port, "--metrics-port")
    check_port(host, free_port(host))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1: .*; choose another with --host"):
        free_port("192.0.2.1")
