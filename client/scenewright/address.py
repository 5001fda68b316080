"""The service's base address and the API key, checked before anything is sent."""

from __future__ import annotations

import re

import httpx

from .errors import NotSent, not_sent

EXAMPLE = "http://127.0.0.1:8000"
MAX_LENGTH = 2_000
MAX_KEY = 4_000


def base_address(given: object) -> str:
    """Return the address without slashes at its end. Raises NotSent, which never shows a password."""
    if not isinstance(given, str):
        raise _refused(f"must be text like {EXAMPLE}")
    address = given.strip()
    if not address.lower().startswith(("http://", "https://")):
        raise _refused(f"must begin with http:// or https://, as in {EXAMPLE}")
    if len(address) > MAX_LENGTH:
        raise _refused(f"is longer than {MAX_LENGTH} characters")
    if not address.isprintable() or " " in address:
        raise _refused("holds a space or a character that cannot be printed")
    if "@" in address:
        raise _refused("must not hold a user name or a password: use an API key")
    if "?" in address or "#" in address:
        raise _refused("must end before any ? or #")
    return _parsed(address)


def _parsed(address: str) -> str:
    try:
        url = httpx.URL(address)
        # The resolver would raise UnicodeError for an empty label or one of more than 63 letters.
        known = bool(url.host and url.raw_host.decode().encode("idna"))
    except (httpx.InvalidURL, ValueError):
        raise _refused(f"is no address like {EXAMPLE}: its host or its port cannot be") from None
    if not known or url.port == 0 or (url.port or 1) > 65_535:
        raise _refused(f"needs a host, and a port from 1 to 65535 where it names one, as in {EXAMPLE}")
    scheme, _, rest = address.partition("://")
    rest = re.sub("/+", "/", rest).rstrip("/")
    if rest.endswith("/v1"):
        raise _refused("must end before /v1: each route adds its own")
    return f"{scheme.lower()}://{rest}"


def bearer(api_key: object) -> str | None:
    """Return the key without white space around it, None for no key. Raises NotSent, which never shows it."""
    if api_key is None:
        return None
    if not isinstance(api_key, str):
        raise not_sent("the API key must be text", "api_key")
    key = api_key.strip()  # Files and shells like to leave a newline at its end.
    if not all("!" <= letter <= "~" for letter in key) or len(key) > MAX_KEY:
        raise not_sent(
            "the API key holds a space or another character that no key has; "
            "copy it again, as `scenewright keys create` printed it",
            "api_key",
        )
    return key or None


def _refused(why: str) -> NotSent:
    return not_sent(f"the service's address {why}", "url")
