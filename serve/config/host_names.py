"""Names and addresses of hosts: their one spelling, which are this machine's own, which a list allows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette._utils import ParsedHost, parse_host_header


def parsed(authority: str) -> ParsedHost | None:
    """Return the host and the port of a Host header, or None where it is malformed.

    A colon with no port after it means the usual port (RFC 3986, 3.2.3).
    """
    given = authority.strip()
    host = given.removesuffix(":")
    found = parse_host_header(host if host != given and not host.endswith(":") else given)
    return found if found and found.is_valid_port else None


def host_of(authority: str) -> str | None:
    """Return the host of a Host header in its one spelling, or None where the header is malformed."""
    found = parsed(authority)
    return normalised(found.host) if found else None


def normalised(host: str) -> str:
    """Return a name in lower case, without the root's dot; an address without brackets, in its short form."""
    bare = host.lower().removeprefix("[").removesuffix("]")
    address = _address(bare)
    return str(address) if address else bare.removesuffix(".")


def is_address(host: str) -> bool:
    return _address(host) is not None


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is this machine's own, whatever a name server says (RFC 6761)."""
    address, name = _address(host), host.lower().removesuffix(".")
    return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")


def matches(host: str, patterns: Iterable[str]) -> bool:
    """Return whether a normalised host is one of the `allowed_hosts`.

    A `*` alone, which allows all, does not count.
    """
    return any(
        host.endswith(pattern[1:]) and len(host) >= len(pattern)
        if pattern.startswith("*.")
        else host == pattern != "*"
        for pattern in patterns
    )


def checked_pattern(pattern: str) -> str:
    """Return one of `allowed_hosts` as it is compared. Raises ValueError."""
    if pattern == "*":
        return pattern
    front, rest = ("*.", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    host = f"[{rest}]" if ":" in rest and is_address(rest) else rest
    found = None if host.endswith(":") else parsed(host)
    if found is None or found.port is not None or "*" in rest or (front and is_address(rest)):
        raise ValueError(
            f"{pattern!r} is no host: give a name such as paint.example.com, *.example.com for every name"
            " below it, or an address, without http:// and without a port"
        )
    return front + normalised(found.host)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that `host` is; an IPv4 address in IPv6's form is still that IPv4 address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
