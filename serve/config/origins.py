"""Origins of pages, in the one spelling that browsers send."""

from __future__ import annotations

from urllib.parse import urlsplit

from .host_names import is_address, parsed

DEFAULT_PORTS = {"http": 80, "https": 443}


def checked_origin(origin: str) -> str:
    """Return an entry of `allowed_origins` as browsers write it. Raises ValueError."""
    if origin == "*":
        raise ValueError("* would allow every web page: list the origins, such as https://game.example")
    found = _parsed(origin)
    if found is None:
        raise ValueError(
            f"{origin!r} is not an origin: give a scheme, a host, and a port if it is not the default, such"
            " as https://game.example or http://localhost:5173, without a path or a slash at the end"
        )
    return found


def _parsed(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
        host, port = parsed(parts.netloc), parts.port
    except ValueError:
        return None
    default = DEFAULT_PORTS.get(parts.scheme)
    if host is None or default is None or origin.lower() != f"{parts.scheme}://{parts.netloc}".lower():
        return None
    name = host.host.lower().strip("[]")
    if not name.isascii() or any(letter in name for letter in "*@, ") or parts.netloc.endswith(":"):
        return None
    shown = f"[{name}]" if ":" in name and is_address(name) else name
    return f"{parts.scheme}://{shown}" + ("" if port in (None, default) else f":{port}")
