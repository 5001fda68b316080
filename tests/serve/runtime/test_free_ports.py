"""A port that is chosen before a service starts is still free when it listens, seconds later."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from serve.runtime import free_ports
from serve.runtime.listen_address import free_port

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0"])  # noqa: S104 (it is bound for a moment)
def test_no_outgoing_connection_can_take_a_port_that_was_chosen(host: str) -> None:
    first, last = map(int, RANGE.read_text().split())
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = [*free_ports.free_ports(50, host), free_port(host)]
    assert len(set(ports[:-1])) == 50
    for port in ports:
        assert port < first or port > last
        with socket.socket(family) as place:
            place.bind((host, port))


def test_a_port_that_is_listened_at_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_ports, "TRIES", 2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(free_ports, "_candidates", lambda: range(port, port + 2))
        with pytest.raises(OSError, match=r"no 2 free ports at 127\.0\.0\.1"):
            free_ports.free_ports(2)


@pytest.mark.parametrize(
    ("said", "last"),
    [("32768\t60999", 29_999), ("25000 60999", 24_999), ("1024 65535", 29_999), ("", 29_999), ("x", 29_999)],
)
def test_ports_are_below_those_that_the_kernel_gives_away(
    said: str, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path: said)
    assert free_ports._candidates()[-1] == last
