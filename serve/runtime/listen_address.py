"""The address that a service listens on: resolve the host's name, find a free port, and form the URL."""

from __future__ import annotations

import ipaddress
import socket

from .free_ports import free_ports
from .start_errors import CannotStart

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (it is only compared with)  # nosec B104
"""Addresses that mean all of this machine's, and the address at which each is reached from here."""
EXAMPLES = "use an address of this machine, such as 127.0.0.1, ::1, localhost or 0.0.0.0"


def resolve(host: str) -> str:
    """Return the numeric address that `host` names, IPv4 if a name has both. Raises CannotStart.

    Serve binds an IPv6 socket for numeric IPv6 addresses only, so names are looked up here.
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _look_up(text, host)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise CannotStart(
                f"cannot listen on {host!r}: addresses with a zone (%) cannot be used in a URL; {EXAMPLES}"
            )
        address = address.ipv4_mapped or address
    return str(address)


def _look_up(name: str, host: str) -> str:
    if "://" in name:
        raise CannotStart(f"cannot listen on {host!r}: leave out the scheme and the path; {EXAMPLES}")
    before, colon, after = name.rpartition(":")
    if colon and after.isdigit() and (":" not in before or (before[0] == "[" and before[-1] == "]")):
        raise CannotStart(
            f"cannot listen on {host!r}: give the port with --port, and only {before} as the host"
        )
    # For an empty name the socket would take every address of the machine.
    if not name or name != name.strip() or not name.isprintable():
        raise CannotStart(f"cannot listen on {host!r}: {EXAMPLES}")
    unknown = f"cannot listen on {host!r}: this name has no known address; {EXAMPLES}"
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotStart(unknown) from error
    addresses = [str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0] != socket.AF_INET)]
    if not addresses or "%" in addresses[0]:
        raise CannotStart(unknown)
    return addresses[0]


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host`, a numeric address, for a service that starts now. Raises CannotStart."""
    try:
        return free_ports(1, host)[0]
    except OSError as error:
        raise _cannot_listen(bracketed(host), error, "--host") from error


def is_free(host: str, port: int) -> bool:
    """Return whether a process can listen on `port` of `host`, a numeric address."""
    try:
        _try_to_bind(host, port)
    except CannotStart:
        return False
    return True


def check_port(host: str, port: int, option: str = "--port") -> None:
    """Raise CannotStart if nothing can listen on `port`, given by `option`, of `host`, a numeric address.

    Serve's proxies silently share a port that another process holds, so it is tried first.
    """
    _try_to_bind(host, port, option)


def _try_to_bind(host: str, port: int, option: str = "--port") -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise _cannot_listen(f"{bracketed(host)}:{port}", error, option) from error


def _cannot_listen(where: str, error: OSError, option: str) -> CannotStart:
    return CannotStart(f"cannot listen on {where}: {error.strerror or error}; choose another with {option}")


def bracketed(host: str) -> str:
    """Return a numeric address as URLs write it."""
    return f"[{host}]" if ":" in host else host


def url_of(host: str, port: int, scheme: str = "http", prefix: str = "/") -> str:
    """Return the URL at which this machine reaches a service that listens on `host`."""
    return f"{scheme}://{bracketed(EVERYWHERE.get(host, host))}:{port}{prefix.rstrip('/')}"
