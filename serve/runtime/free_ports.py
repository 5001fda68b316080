"""Choose ports that nobody listens at, and that nobody takes before they are listened at."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

LOWEST, END = 20_000, 30_000
"""Below are Ray's workers; from 30,000 on Serve's replicas, then the ports of outgoing connections."""
TRIES = 1_000


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return so many ports of `host`, a numeric address, where nobody listens now.

    None is one that the kernel gives to an outgoing connection or to a socket bound to port 0: a service
    needs seconds to start, and any process could have such a port by then. Raises OSError where there are
    not so many, and where `host` is no address of this machine.
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
    """Return the ports to choose from, without those that the kernel gives away where it says which."""
    with suppress(OSError, ValueError, IndexError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if LOWEST + TRIES <= first < END:
            return range(LOWEST, first)
    return range(LOWEST, END)
