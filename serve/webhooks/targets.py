"""Decide where a webhook may be sent: to hosts that the operator allows, and to no private address."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx

from ..config.host_names import is_address, matches, normalised
from ..config.webhook_config import WebhookConfig

LONGEST_URL = 2_000


class Forbidden(ValueError):
    """A webhook must not be sent to this URL. The message says why."""


def check_url(url: str, config: WebhookConfig) -> None:
    """Raise Forbidden if a webhook must not be sent to this URL."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise Forbidden(f"must be at most {LONGEST_URL} printable ASCII characters, without spaces")
    try:
        parts = urlsplit(url)
        _ = parts.port
        httpx.URL(url)
        # The resolver would raise UnicodeError for an empty label or one of more than 63 letters.
        (parts.hostname or "").encode("idna")
    except (ValueError, httpx.InvalidURL):
        raise Forbidden("is not a valid URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Forbidden("must begin with https:// and a host")
    if parts.scheme == "http" and not config.private_network:
        raise Forbidden("must begin with https://")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Forbidden("must have neither a user name nor a fragment")
    if not config.allowed_hosts:
        raise Forbidden("cannot be used: this service's webhooks.allowed_hosts names no host")
    if not matches(normalised(parts.hostname), config.allowed_hosts):
        raise Forbidden("must name a host that this service's webhooks.allowed_hosts lists")


async def address_of(
    url: httpx.URL, config: WebhookConfig, look_up: Callable[[str, int], Awaitable[list[str]]]
) -> str:
    """Return the current address of the URL's host, found by `look_up(host, port)` if it is a name.

    The request is sent to exactly this address, so a name that leads elsewhere a moment later changes
    nothing. Raises Forbidden if any of its addresses is private, and OSError if it has none.
    """
    host = url.host
    if is_address(host):
        found = [host]
    else:
        found = await look_up(host, url.port or (443 if url.scheme == "https" else 80))
    for address in found:
        if not config.private_network and not _is_public(address):
            raise Forbidden("leads to an address in a private network")
    return found[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # An IPv4 address embedded in an IPv6 address leads to that IPv4 address.
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if inner is not None:
            parsed = inner
        elif parsed in ipaddress.ip_network("64:ff9b::/96"):
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed.is_global and not parsed.is_multicast
