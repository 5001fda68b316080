"""The service's base address and the API key, checked before anything is sent."""

from __future__ import annotations

import re

import httpx

from .errors import NotSent, not_sent

EXAMPLE = "http://127.0.0.1:8000"
MAX_LENGTH = 2_000
MAX_KEY = 4_000


def base_address(given: object) -> str:
    """Return the address without trailing slashes. Raises NotSent, which never shows a password."""
    if not isinstance(given, str):
        raise _refused(f"must be a string like {EXAMPLE}")
    address = given.strip()
    if not address.lower().startswith(("http://", "https://")):
        raise _refused(f"must begin with http:// or https://, as in {EXAMPLE}")
    if len(address) > MAX_LENGTH:
        raise _refused(f"is longer than {MAX_LENGTH} characters")
    if not address.isprintable() or " " in address:
        raise _refused("must not contain spaces or unprintable characters")
    if "@" in address:
        raise _refused("must not contain a user name or password: use an API key")
    if "?" in address or "#" in address:
        raise _refused("must not contain ? or #")
    return _parsed(address)


def _parsed(address: str) -> str:
    try:
        url = httpx.URL(address)
        # The resolver would raise UnicodeError for an empty label or one of more than 63 letters.
        known = bool(url.host and url.raw_host.decode().encode("idna"))
    except (httpx.InvalidURL, ValueError):
        raise _refused(f"must be a URL like {EXAMPLE}: its host or port is invalid") from None
    if not known or url.port == 0 or (url.port or 1) > 65_535:
        raise _refused(f"must have a host, and any port must be from 1 to 65535, as in {EXAMPLE}")
    scheme, _, rest = address.partition("://")
    rest = re.sub("/+", "/", rest).rstrip("/")
    if rest.endswith("/v1"):
        raise _refused("must not end in /v1: the client adds it")
    return f"{scheme.lower()}://{rest}"


def bearer(api_key: object) -> str | None:
    """Return the key without surrounding white space, or None. Raises NotSent, which never shows the key."""
    if api_key is None:
        return None
    if not isinstance(api_key, str):
        raise not_sent("the API key must be a string", "api_key")
    key = api_key.strip()  # Files and shells often leave a trailing newline.
    if not all("!" <= letter <= "~" for letter in key) or len(key) > MAX_KEY:
        raise not_sent(
            "the API key is too long or contains an invalid character, such as a space; "
            "copy it exactly as `scenewright keys create` printed it",
            "api_key",
        )
    return key or None


def _refused(why: str) -> NotSent:
    return not_sent(f"the service's address {why}", "url")
