"""Add limits to the configuration that Ray Serve writes for its HAProxy, before HAProxy reads it.

Ray has no settings for these limits. Each change names the line of Ray's file that it replaces or follows,
and fails if there is none. So with a Ray that writes other lines nothing is served, rather than served
without limits.
"""

from __future__ import annotations

import json
import re
import resource
from pathlib import Path

from .checked_hosts import pattern_of
from .connection_limits import SPARE_FILES, ConnectionLimits

MARK = "# Bounded by Scenewright."
BUFFER_BYTES = 96 << 10
"""The room for one request's header. HAProxy itself refuses a larger one with 400."""
CONNECTIONS = 8
"""HAProxy takes this many times `ConnectionLimits.connections`: one that waits costs a few kilobytes."""
FILES_A_CONNECTION = 3
"""File descriptors: the caller's, the replica's, and half of one for the pipes that data goes through."""
PROBES = r"path -m end /healthz /readyz /-/routes"


class UnknownConfiguration(Exception):
    """Ray's configuration, or this machine, does not allow the limits. The message says why."""


def bounded(text: str, limits: ConnectionLimits, folder: Path, hosts: tuple[str, ...] | None = None) -> str:
    """Return Ray's configuration with our limits and errors; `folder` holds files of `early_errors`.

    `hosts` are the names that Serve's own routes accept, or None for all (checked_hosts.py).

    Raises UnknownConfiguration. A configuration that already has the limits is returned unchanged.
    """
    if text.startswith(MARK):
        return text
    connections = _connections(limits)
    most = connections + limits.health_connections
    # Ray turns these errors into a plain-text 500. Ours say what they are.
    changed, count = re.subn(r"^    errorfile 50[234] .*\n", "", text, flags=re.MULTILINE)
    if count != 3:
        raise UnknownConfiguration(f"Ray's HAProxy configuration has {count} error files, not 3")
    for line, new in (
        (r"    stats socket (\S+) mode 666 (.*)", r"    stats socket \1 mode 600 \2"),
        (r"    maxconn \d+", f"    maxconn {most}\n    tune.maxrewrite 1024\n    tune.http.maxhdr 1000"),
        (r"    tune\.bufsize (\d+)", _buffer),
        (r"    option httplog", _literal(_defaults(limits, folder))),
        (r"frontend prometheus\n    bind :(\d+)", r"frontend prometheus\n    bind 127.0.0.1:\1"),
        (r"listen stats\n  bind \*:(\d+)", r"listen stats\n  bind 127.0.0.1:\1"),
        (
            r"(frontend http_frontend\n    bind \S+:\d+)",
            _literal(_frontend(limits, connections, hosts), after=True),
        ),
        (r"    http-request return status 404 content-type text/plain .*", _literal(_no_route(text))),
    ):
        changed, count = re.subn(rf"^{line}$", new, changed, flags=re.MULTILINE)
        if count != 1:
            raise UnknownConfiguration(
                f"Ray's HAProxy configuration has {count} lines of the form {line!r}, not 1"
            )
    return f"{MARK}\n{changed}"


def early_errors() -> dict[str, str]:
    """Return the files, by name, of responses that HAProxy sends before it knows a request: they have no id.

    HAProxy 2.8, which Ray bundles, has its own pages for these, and reads the files only since 3.2
    (haproxy/haproxy#3032). The last is sent if a replica dies with a request; our client then retries.
    """
    return {
        "400.http": _file(400, "Bad Request", _error(400, "invalid_request", _NOT_HTTP, None)),
        "408.http": _file(408, "Request Timeout", _error(408, "request_timeout", _LATE, None)),
        "431.http": _file(
            431, "Request Header Fields Too Large", _error(431, "header_too_large", _FAR_TOO_LARGE, None)
        ),
        "502.http": _file(500, "Internal Server Error", _error(500, "internal", _LOST, None)),
    }


_FAR_TOO_LARGE = "the request's header is far too large"
_NOT_HTTP = "this is not an HTTP request, or its header is far too large"
_LATE = "the request's header did not arrive in time"
_LOST = "the replica that was handling the request was lost"
_NOTHING_THERE = "there is no such route"
_NO_ROUTES = "the service has just started; try again shortly"


def _connections(limits: ConnectionLimits) -> int:
    wanted = CONNECTIONS * limits.connections
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return wanted
    limit = (hard - SPARE_FILES) // FILES_A_CONNECTION - limits.health_connections
    if limit < limits.connections:
        raise UnknownConfiguration(f"this machine allows {hard} open files, too few for HAProxy (ulimit -n)")
    return min(wanted, limit)


def _buffer(line: re.Match[str]) -> str:
    return f"    tune.bufsize {max(int(line[1]), BUFFER_BYTES)}"


def _literal(text: str, after: bool = False):  # type: ignore[no-untyped-def]
    return lambda line: f"{line[0]}\n{text}" if after else text


def _defaults(limits: ConnectionLimits, folder: Path) -> str:
    lines = [
        "unique-id-format %[uuid]",
        f"timeout http-request {int(limits.header_timeout_s * 1_000)}ms",
        "option http-ignore-probes",
        f"errorfile 400 {folder}/400.http",
        f"errorfile 408 {folder}/408.http",
        f"errorfile 422 {folder}/400.http",  # An encoding of the body that HAProxy does not know.
        f"errorfile 502 {folder}/502.http",
        f"http-error status 503 {_error_reply(503, 'not_ready', 'no replica can be reached', 2)}",
        "http-error status 504"
        f" {_error_reply(504, 'deadline_exceeded', 'the replica did not respond in time')}",
        f"log-format {_quoted(_LOG)}",
    ]
    newer = [f"errorfile {status} {folder}/431.http" for status in (414, 431)]
    return "\n".join(f"    {line}" for line in [*lines, ".if version_atleast(3.2)", *newer, ".endif"])


_LOG = (
    '{"levelname": "INFO", "time": %Ts.%ms, "component_name": "haproxy",'
    ' "request_id": "%[var(txn.scenewright_id),json(utf8s)]",'
    ' "method": "%[var(txn.scenewright_method),json(utf8s)]",'
    ' "route": "%[var(txn.scenewright_path),json(utf8s)]", "status": %ST, "latency_ms": %Ta, "client": "%ci"}'
)


def _frontend(limits: ConnectionLimits, connections: int, hosts: tuple[str, ...] | None) -> str:
    crowded = _error_reply(429, "overloaded", "all connections of this service are in use", 1)
    message = f"a request's header is limited to {limits.header_bytes} bytes"
    too_large = _error_reply(431, "header_too_large", message)
    lines = [
        "http-request set-var(txn.scenewright_method) method",
        "http-request set-var(txn.scenewright_path) path,bytes(0,300)",
        "http-request set-header X-Request-ID %[unique-id] if !{ req.hdr(x-request-id) -m found }",
        "http-request set-var(txn.scenewright_id) req.hdr(x-request-id),bytes(0,128)",
        f"acl scenewright_probe {PROBES}",
        f"http-request return status 429 {crowded} if {{ fe_conn gt {connections} }} !scenewright_probe",
        f"http-request return status 431 {too_large} if {{ req.hdrs,length gt {limits.header_bytes} }}",
        f"http-request return status 431 {too_large} if {{ url_len gt {limits.header_bytes} }}",
    ]
    if hosts is not None:
        message = "this service does not accept that Host"
        lines += [
            "acl scenewright_own path -i /-/healthz /-/routes",
            f"acl scenewright_host req.hdr(host),host_only,lower -m reg {_quoted(pattern_of(hosts))}",
            f"http-request return status 400 {_error_reply(400, 'invalid_host', message)}"
            " if scenewright_own !scenewright_host { req.hdr(host) -m found }",
        ]
    if limits.connections_per_address:
        lines = [
            "stick-table type ipv6 size 100k expire 60s store conn_cur",
            "tcp-request connection track-sc0 src,ipmask(32,64) if !scenewright_spared",
            f"tcp-request connection reject if {{ sc0_conn_cur gt {limits.connections_per_address} }}",
            *lines,
        ]
    # Silent connections keep their place until closed: reserve the last ones for the node's health checks.
    spared = " ".join(("127.0.0.0/8", "::1", *limits.trusted_proxies))
    full = connections + limits.health_connections // 2
    lines = [
        f"acl scenewright_spared src {spared}",
        f"tcp-request connection reject if {{ fe_conn gt {full} }} !scenewright_spared",
        *lines,
    ]
    return "\n".join(f"    {line}" for line in lines)


def _no_route(text: str) -> str:
    """Return the response for paths that Ray's configuration `text` has no route for.

    Ray starts HAProxy before it knows any route. Until there is one, the response is 503 instead of 404.
    """
    over_http = text.partition("\nfrontend grpc_frontend")[0]
    if re.search(r"^    use_backend ", over_http, flags=re.MULTILINE):
        return f"    http-request return status 404 {_error_reply(404, 'not_found', _NOTHING_THERE)}"
    return f"    http-request return status 503 {_error_reply(503, 'not_ready', _NO_ROUTES, 1)}"


def _error_reply(status: int, code: str, message: str, retry_after_s: int | None = None) -> str:
    body = _quoted(_error(status, code, message, "%ID"))
    wait = "" if retry_after_s is None else f" hdr Retry-After {retry_after_s}"
    return f"content-type application/json lf-string {body} hdr X-Request-ID %ID{wait}"


def _error(status: int, code: str, message: str, request_id: str | None) -> str:
    # Do not use serve/http/error_responses.py: this runs at each reload, and that takes too long to import.
    kind = {404: "not_found_error", 429: "rate_limit_error"}.get(
        status, "invalid_request_error" if status < 500 else "server_error"
    )
    parts = {"type": kind, "code": code, "message": message, "param": None, "request_id": request_id}
    return json.dumps({"error": parts})


def _file(status: int, phrase: str, body: str) -> str:
    head = (
        f"HTTP/1.1 {status} {phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", body))


def _quoted(text: str) -> str:
    """Quote one word of HAProxy's configuration. In single quotes only the quote itself is special."""
    return "'" + text.replace("'", "'\\''") + "'"
