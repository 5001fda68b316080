"""Host names and addresses: normalise them, recognise this machine's own, match them against a list."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette._utils import ParsedHost, parse_host_header


def parsed(authority: str) -> ParsedHost | None:
    """Return the host and the port of a Host header, or None if it is malformed.

    A colon with no port after it means the usual port (RFC 3986, 3.2.3).
    """
    given = authority.strip()
    host = given.removesuffix(":")
    found = parse_host_header(host if host != given and not host.endswith(":") else given)
    return found if found and found.is_valid_port else None


def host_of(authority: str) -> str | None:
    """Return the normalised host of a Host header, or None if the header is malformed."""
    found = parsed(authority)
    return normalised(found.host) if found else None


def normalised(host: str) -> str:
    """Return a name in lower case without its final dot, or an address in its short form without brackets."""
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
    """Return whether a normalised host matches one of the `allowed_hosts`.

    A `*` alone, which allows every host, does not count as a match.
    """
    return any(
        host.endswith(pattern[1:]) and len(host) >= len(pattern)
        if pattern.startswith("*.")
        else host == pattern != "*"
        for pattern in patterns
    )


def checked_pattern(pattern: str) -> str:
    """Return an entry of `allowed_hosts` in the form that is compared. Raises ValueError."""
    if pattern == "*":
        return pattern
    front, rest = ("*.", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    host = f"[{rest}]" if ":" in rest and is_address(rest) else rest
    found = None if host.endswith(":") else parsed(host)
    if found is None or found.port is not None or "*" in rest or (front and is_address(rest)):
        raise ValueError(
            f"{pattern!r} is not a host: give a name such as paint.example.com, *.example.com for every name"
            " below it, or an address, without http:// and without a port"
        )
    return front + normalised(found.host)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse `host` as an address, or return None. An IPv4-mapped IPv6 address becomes IPv4."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
