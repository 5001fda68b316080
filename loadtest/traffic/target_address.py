"""Check the service's base address and the API key before a run begins."""

from __future__ import annotations

import re
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

EXAMPLE = "http://127.0.0.1:8000"
CONNECT_S = 5.0


class AddressError(ValueError):
    """The address or the key is invalid. The message can be shown: it contains no password and no key."""


def base_address(given: str) -> str:
    """Return the address without trailing slashes. Raises AddressError."""
    address = given.strip()
    if "@" in address:
        raise AddressError("the address must not contain a user name or password: use an API key")
    if "?" in address or "#" in address:
        raise AddressError("the address must not contain ? or #")
    if _parsed(address) is None:
        raise AddressError(f"the address {address!r} must be a URL like {EXAMPLE}")
    scheme, _, rest = address.partition("://")
    rest = re.sub("/+", "/", rest).rstrip("/")
    if rest.endswith("/v1"):
        raise AddressError(f"the address {address!r} must not end in /v1")
    return f"{scheme.lower()}://{rest}"


def bearer(key: str | None) -> str | None:
    """Return the key without surrounding white space, or None. Raises AddressError."""
    key = (key or "").strip()  # Files and shells often leave a trailing newline.
    if not all("!" <= letter <= "~" for letter in key):
        raise AddressError("the API key contains an invalid character, such as a space; copy it again")
    return key or None


def check_listening(url: str) -> None:
    """Connect once, with TLS for https addresses. Raises AddressError saying why it failed."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname, port), CONNECT_S) as connection:
            if parts.scheme == "https":
                ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname).close()
    except ssl.SSLCertVerificationError as error:
        raise AddressError(
            f"the certificate of {url} is not accepted: {error.verify_message}; "
            "set SSL_CERT_FILE to the file of a certificate authority to trust"
        ) from error
    except (ssl.SSLError, ConnectionResetError) as error:
        raise AddressError(f"TLS with {url} failed; if it uses plain HTTP, begin with http://") from error
    except OSError as error:
        raise AddressError(f"nothing responds at {url}: {error.strerror or error}") from error


def _parsed(address: str) -> SplitResult | None:
    """Parse the address. Return None if no connection can be made to it."""
    if not address.isprintable() or " " in address:
        return None
    try:
        parts = urlsplit(address)
        known = (parts.hostname or "").encode("idna") and parts.port != 0
    except ValueError:  # A port over 65535, half a bracket, an empty label.
        return None
    return parts if known and parts.scheme in ("http", "https") else None
