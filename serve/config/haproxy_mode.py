"""Read Ray Serve's HAProxy mode: `RAY_SERVE_ENABLE_HA_PROXY=1` in the environment of every node.

The configuration requests it by `ingress.haproxy`, and `scenewright serve` switches it on for the Ray that it
starts (serve/runtime/haproxy.py).
"""

from __future__ import annotations

import os

from .service_config import ServiceConfig

SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"


def enabled() -> bool:
    """Say whether this process runs in it, as Ray reads it."""
    return os.environ.get(SWITCH, "0") == "1"


def is_requested(config: ServiceConfig) -> bool:
    """Say whether HAProxy is to listen: the environment has the last word."""
    value = os.environ.get(SWITCH)
    return config.ingress.haproxy if value is None else value == "1"


def refuse_without(config: ServiceConfig, on_ray: bool) -> None:
    """Raise ValueError on a Ray that does not say which mode it has, where `config` requests HAProxy."""
    if config.ingress.haproxy and on_ray and SWITCH not in os.environ:
        raise ValueError(
            f"ingress.haproxy requests HAProxy, and Ray was started without: set {SWITCH}=1 and the other"
            f" variables of docs/cluster.md on every node before Ray starts there, or {SWITCH}=0 for Ray"
            " Serve's own proxies"
        )
