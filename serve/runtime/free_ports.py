"""Choose ports on which nobody listens, and which no other process is given before they are used."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

LOWEST, END = 20_000, 30_000
"""Ray's workers have lower ports, Serve's replicas those from 30,000, outgoing connections higher ones."""
TRIES = 1_000


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return `count` ports of `host`, a numeric address, on which nobody listens now.

    The kernel gives none of them to an outgoing connection or to a socket bound to port 0. A service needs
    seconds to start, and any process could have such a port by then. Raises OSError if there are not enough
    ports, or if `host` is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as held:
        held.enter_context(socket.socket(family)).bind((host, 0))  # Raises for another machine's address.
        ports: list[int] = []
        for port in random.sample(_candidates(), TRIES):  # nosec B311
            held_socket = held.enter_context(socket.socket(family))
            with suppress(OSError):
                held_socket.bind((host, port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError(f"there are no {count} free ports at {host}")


def _candidates() -> range:
    """Return the ports to choose from, without those that the kernel assigns, if it says which."""
    with suppress(OSError, ValueError, IndexError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if LOWEST + TRIES <= first < END:
            return range(LOWEST, first)
    return range(LOWEST, END)
