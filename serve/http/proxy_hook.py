"""Install our limits in every Ray Serve process that listens for HTTP.

Ray Serve has one hook for these, called before uvicorn chooses its protocol, at each start of each proxy:
`RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`. If it raises, the proxy does not start, and so neither does the
service.
"""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Mapping

from starlette.middleware import Middleware
from uvicorn import config as uvicorn_config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from . import haproxy_launcher
from .bounded_protocol import BoundedProtocol
from .connection_limits import ConnectionLimits
from .connection_table import ConnectionTable
from .plain_headers import PlainHeaders
from .serve_answers import DocumentedErrors
from .serve_routes import CheckedHosts

IMPORT_PATH = "serve.http.proxy_hook:install"
HOOK = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": IMPORT_PATH}
NEEDED = (
    *("data_received", "connection_made", "connection_lost", "pause_writing", "timeout_keep_alive_handler"),
    *("on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete"),
    *("on_response_complete", "_unset_keepalive_if_required"),
)
"""Methods of uvicorn's protocol that ours needs to apply its limits."""


def install() -> list[Middleware]:
    """Make uvicorn use our protocol. Return the middlewares for the hook to put before Serve's own code.

    Raises RuntimeError.
    """
    check_uvicorn()
    limits = limits_here(os.environ)
    limits.make_room_for_files()
    BoundedProtocol.table = ConnectionTable(limits)
    uvicorn_config.HTTP_PROTOCOLS["auto"] = f"{BoundedProtocol.__module__}:{BoundedProtocol.__name__}"
    if Server.startup is not _startup:
        Server.startup = _startup  # type: ignore[method-assign]
    # Each runs before those listed before it.
    return [Middleware(DocumentedErrors), Middleware(CheckedHosts), Middleware(PlainHeaders)]


def missing_setting(environment: Mapping[str, str]) -> str | None:
    """Return the setting whose absence leaves listeners in this environment without limits, if any."""
    settings = HOOK
    if environment.get("RAY_SERVE_ENABLE_HA_PROXY") == "1":
        settings = {**HOOK, "RAY_SERVE_HAPROXY_BINARY_PATH": haproxy_launcher.SCRIPT}
    for name, value in settings.items():
        if not environment.get(name, "").endswith(value):
            return f"{name}={value}"
    return None


def limits_here(environment: Mapping[str, str]) -> ConnectionLimits:
    """Return the limits of this process.

    Behind HAProxy all callers have HAProxy's address, so HAProxy itself counts them by address.
    """
    given = dict(environment)
    if given.get("RAY_SERVE_ENABLE_HA_PROXY") == "1":
        given["SCENEWRIGHT_MAX_CONNECTIONS_PER_ADDRESS"] = "0"
    try:
        return ConnectionLimits.from_environment(given)
    except ValueError as error:
        raise RuntimeError(str(error)) from error


def check_uvicorn() -> None:
    """Raise RuntimeError if this uvicorn lacks what our protocol extends."""
    missing = [name for name in NEEDED if name not in vars(HttpToolsProtocol)]
    if "auto" not in uvicorn_config.HTTP_PROTOCOLS:
        missing.append("HTTP_PROTOCOLS['auto']")
    if "sockets" not in inspect.signature(Server.startup).parameters:
        missing.append("Server.startup(sockets)")
    if missing:
        raise RuntimeError(
            f"this version of uvicorn does not support the connection limits: it has no {', '.join(missing)}"
        )


_uvicorn_startup = Server.startup


async def _startup(self: Server, sockets: list[socket.socket] | None = None) -> None:
    """Listen without TLS, which our protocol adds to each connection.

    So a connection is counted before its handshake.
    """
    config = self.config
    if not config.loaded:
        config.load()
    if config.ssl is not None:
        config.tls_context = config.ssl  # type: ignore[attr-defined]
        config.ssl = None
    await _uvicorn_startup(self, sockets)
