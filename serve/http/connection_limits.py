"""The limits of a listening process for its callers: header bytes, header time, connections.

They are set in the environment of every node, since they apply before any configuration file is read.
"""

from __future__ import annotations

import math
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Self

SPARE_FILES = 512
"""File descriptors that a proxy needs for Ray, its logs and connections that it has just accepted."""
LARGEST = 1_000_000


def _whole(text: str) -> int:
    return int(text)


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(ip_network(each.strip(), strict=False)) for each in text.split(",") if each.strip())


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """`connections` may work at once; `health_connections` more are served if they request health checks.

    `connections_per_address` counts an IPv6 /64 as one address, and does not count loopback or
    `trusted_proxies` (networks); 0 switches it off.
    """

    header_bytes: int = 64 << 10
    header_fields: int = 1_000
    header_timeout_s: float = 10.0
    connections: int = 1_024
    health_connections: int = 64
    connections_per_address: int = 256
    trusted_proxies: tuple[str, ...] = ()
    stalled_after_s: float = 60.0
    linger_s: float = 2.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the documented variables. Raises ValueError naming the invalid one."""
        given: dict[str, Any] = {}
        for field, (name, read, least, most) in NAMES.items():
            text = environment.get(name, "").strip()
            if not text:
                continue
            try:
                value = read(text)
                if least is not None and not least <= value <= most:
                    raise ValueError
            except ValueError:
                wanted = (
                    "addresses or networks separated by commas, such as 10.0.0.7, 10.1.0.0/16"
                    if least is None
                    else f"a number from {least:g} to {most:g}"
                )
                raise ValueError(f"{name} must be {wanted}") from None
            given[field] = value
        return cls(**given)

    def source_of(self, address: str) -> str | None:
        """Return the key by which `connections_per_address` counts an address; None if it is not counted."""
        if not self.connections_per_address:
            return None
        try:
            parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        if parsed.is_loopback or any(parsed in ip_network(each) for each in self.trusted_proxies):
            return None
        if isinstance(parsed, IPv6Address):
            return str(IPv6Network((parsed, 64), strict=False))
        return str(parsed)

    def make_room_for_files(self) -> None:
        """Raise this process's limit of open files as far as needed. Raises RuntimeError."""
        needed = self.connections + self.health_connections + SPARE_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or soft >= needed:
            return
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise RuntimeError(
                f"SCENEWRIGHT_MAX_CONNECTIONS={self.connections} needs {needed} open files, but this machine"
                f" allows only {hard} (ulimit -n): set a lower number"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


Reader = Callable[[str], Any]
NAMES: dict[str, tuple[str, Reader, float | None, float]] = {
    "header_bytes": ("SCENEWRIGHT_MAX_HEADER_BYTES", _whole, 4_096, 64 << 10),
    "header_timeout_s": ("SCENEWRIGHT_HEADER_TIMEOUT_S", float, 0.1, 600),
    "connections": ("SCENEWRIGHT_MAX_CONNECTIONS", _whole, 8, LARGEST),
    "connections_per_address": ("SCENEWRIGHT_MAX_CONNECTIONS_PER_ADDRESS", _whole, 0, LARGEST),
    "trusted_proxies": ("SCENEWRIGHT_TRUSTED_PROXIES", _networks, None, math.inf),
}
