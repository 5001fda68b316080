"""Ray Serve's HAProxy mode: `RAY_SERVE_ENABLE_HA_PROXY=1` in the environment of every node.

HAProxy then runs in front of the edge's replicas, in place of Serve's own proxies (docs/cluster.md).
"""

from __future__ import annotations

import os

from ..config.haproxy_mode import SWITCH, enabled, is_requested
from ..config.service_config import ServiceConfig
from ..http import haproxy_launcher
from .listen_address import free_port, is_free
from .start_errors import CannotStart
from .waiting import Notify

FALLBACK = "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"
PORTS = {
    "RAY_SERVE_HAPROXY_STATS_PORT": (8404, "HAProxy's statistics"),
    "RAY_SERVE_HAPROXY_METRICS_PORT": (9101, "HAProxy's own metrics"),
    FALLBACK: (8500, "the fallback proxy (for when HAProxy reaches no replica)"),
}
"""The ports besides the service's own: Ray's default for each, and what listens there."""


def switch(config: ServiceConfig) -> dict[str, str]:
    """Return the variables that set the mode of a private Ray. Raises CannotStart."""
    try:
        haproxy_launcher.check_chosen()
        if not is_requested(config):
            return {}
        haproxy_launcher.find_haproxy()
    except ValueError as error:
        raise CannotStart(str(error)) from error
    except (ImportError, OSError) as error:
        raise CannotStart(
            f"HAProxy is requested but not installed: ray[serve] includes it on Linux. {SWITCH}=0"
            " starts Ray Serve's own proxies instead, with the same limits"
        ) from error
    return {SWITCH: "1"}


def reaches_replicas_at(host: str) -> bool:
    """Return whether HAProxy reaches the replicas of a service at `host`.

    HAProxy calls the replicas on its own machine at 127.0.0.1, and they listen at the service's address.
    """
    return not enabled() or host in ("127.0.0.1", "localhost", "0.0.0.0")  # noqa: S104  # nosec B104


def private_settings(folder: str) -> dict[str, str]:
    """Return the settings of a private Ray, or none if the mode is off.

    By default every HAProxy of a machine has its files under /tmp/haproxy-serve, where any account can
    control it through its socket. A stopping replica stays 30 s, for load balancers that notice late. A
    HAProxy that has died is noticed 30 s later, at the third check.
    """
    if not enabled():
        return {}
    return {
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{folder}/metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": folder,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/server-state",
        "RAY_SERVE_HAPROXY_BINARY_PATH": f"{folder}/{haproxy_launcher.SCRIPT}",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    }


def private_ports(host: str, port: int, notify: Notify) -> dict[str, str]:
    """Choose the ports besides `host`:`port`, and report which of them are not Ray's defaults.

    HAProxy does not start if one of its ports is taken, for example by another service on this machine, and
    the fallback proxy would share its port with another process. Ports that the environment names are not
    changed. Raises CannotStart if one of these is invalid or taken.
    """
    if not enabled():
        return {}
    chosen: dict[str, int] = {}
    for name, (usual, what) in PORTS.items():
        where = host if name == FALLBACK else "127.0.0.1"
        others = {port, *chosen.values()}
        if value := os.environ.get(name):
            chosen[name] = _as_named(name, value, where, others)
            continue
        chosen[name] = usual
        while chosen[name] in others or not is_free(where, chosen[name]):
            chosen[name] = free_port(where)
        if chosen[name] != usual:
            notify(
                f"note: port {usual} is taken, so {what} uses {chosen[name]}; set {name} to choose another"
            )
    return {name: str(number) for name, number in chosen.items()}


def _as_named(name: str, value: str, where: str, others: set[int]) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65_535):
        raise CannotStart(f"{name} must be a port, from 1 to 65535")
    if int(value) in others or not is_free(where, int(value)):
        raise CannotStart(
            f"{name}: port {value} of {where} is taken; set another, or unset it to use a free one"
        )
    return int(value)
