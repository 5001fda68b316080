"""Connection settings from the environment: the proxy and the trusted certificates."""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from .errors import not_sent


@dataclass(frozen=True)
class Way:
    """The service's address, and the name (never the value) of the environment variable for its proxy."""

    url: str
    proxy: str | None = None


def options_of(url: str) -> tuple[Way, dict[str, Any]]:
    """Return the Way to `url`, and options for httpx.Client or httpx.AsyncClient. Raises NotSent."""
    parsed = httpx.URL(url)
    # Not read by httpx: a bad proxy or certificate setting that this address does not need must do no harm.
    options: dict[str, Any] = {"trust_env": False, "verify": _trusted(parsed.scheme)}
    # A proxy set for the internet would swallow requests to this machine.
    name = None if _is_loopback(parsed.host) else _proxy_variable(parsed)
    if name is not None:
        options["proxy"] = _proxy(name, os.environ[name])
    return Way(url, name), options


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".") == "localhost" or host.endswith(".localhost")


def _proxy_variable(url: httpx.URL) -> str | None:
    """Return the name of the proxy variable that applies, or None.

    Lower case takes precedence, as in curl and the standard library.
    """
    proxies = getproxies_environment()
    host = f"{url.host}:{url.port}" if url.port else url.host
    if proxy_bypass(host):
        return None
    for scheme in (url.scheme, "all"):
        if scheme in proxies:
            names = [name for name in os.environ if name.lower() == f"{scheme}_proxy" and os.environ[name]]
            return next((name for name in names if name.islower()), names[0] if names else None)
    return None


def _proxy(name: str, value: str) -> httpx.Proxy:
    """Build the proxy.

    Raises NotSent outside any `except` block: httpx's message about a proxy may contain its password.
    """
    address = value.strip() if "://" in value else f"http://{value.strip()}"
    scheme = address.partition("://")[0].lower()
    if scheme in ("socks5", "socks5h") and find_spec("socksio") is None:
        raise not_sent(f"{name} names a SOCKS proxy: pip install 'httpx[socks]', or unset {name}")
    proxy = None
    try:
        proxy = httpx.Proxy(address, ssl_context=_trusted(scheme) if scheme == "https" else None)
        host = proxy.url.host and proxy.url.raw_host.decode().encode("idna")
        possible = bool(host) and 0 < (proxy.url.port or 1) <= 65_535
    except (httpx.InvalidURL, ValueError):
        possible = False
    if proxy is None or not possible:
        raise not_sent(f"{name} must be a proxy URL like http://host:port: correct it or unset it")
    return proxy


def _trusted(scheme: str) -> ssl.SSLContext:
    """Trust SSL_CERT_FILE or SSL_CERT_DIR if one is set, else httpx's default certificates.

    Raises NotSent.
    """
    if scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # It trusts no certificate, and is never used.
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    name = "SSL_CERT_FILE" if file else "SSL_CERT_DIR"
    try:
        if folder and not file and not Path(folder).is_dir():
            raise NotADirectoryError(None, "there is no such folder")
        return httpx.create_ssl_context(trust_env=bool(file or folder))
    except (OSError, ValueError) as error:
        why = "contains no certificates" if isinstance(error, ssl.SSLError) else "cannot be read"
        raise not_sent(f"{name} is set to {file or folder}, which {why}: correct it or unset it") from error
