"""Ray Serve's HAProxy mode: `RAY_SERVE_ENABLE_HA_PROXY=1` in the environment of every node.

HAProxy then stands before the edge's replicas, in place of Serve's own proxies (docs/cluster.md).
"""

from __future__ import annotations

from ..config.haproxy_mode import enabled
from ..http import haproxy_launcher


def reaches_replicas_at(host: str) -> bool:
    """On their own machine it asks them at 127.0.0.1, and they listen where the service does."""
    return not enabled() or host in ("127.0.0.1", "localhost", "0.0.0.0")  # noqa: S104  # nosec B104


def private_settings(folder: str) -> dict[str, str]:
    """Of a Ray that is this machine's alone; none where the mode is off.

    By default every HAProxy of a machine has its files under /tmp/haproxy-serve, where whoever has an account
    commands it by its socket; a replica that is to go stays 30 s, for load balancers that hear of it late;
    and a HAProxy that has died is missed 30 s later, at the third check.
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
