"""Read Ray Serve's HAProxy mode: `RAY_SERVE_ENABLE_HA_PROXY=1` in the environment of every node.

The configuration requests it with `ingress.haproxy`, and `scenewright serve` switches it on for the Ray that
it starts (serve/runtime/haproxy.py).
"""

from __future__ import annotations

import os

from .service_config import ServiceConfig

SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"


def enabled() -> bool:
    """Return whether this process runs in HAProxy mode, by the rule that Ray uses."""
    return os.environ.get(SWITCH, "0") == "1"


def is_requested(config: ServiceConfig) -> bool:
    """Return whether HAProxy should listen. The environment overrides the configuration."""
    value = os.environ.get(SWITCH)
    return config.ingress.haproxy if value is None else value == "1"


def refuse_without(config: ServiceConfig, on_ray: bool) -> None:
    """Raise ValueError if `config` requests HAProxy on a Ray whose environment does not set the mode."""
    if config.ingress.haproxy and on_ray and SWITCH not in os.environ:
        raise ValueError(
            f"ingress.haproxy requests HAProxy, but Ray was started without it: set {SWITCH}=1 and the"
            f" other variables in docs/cluster.md on every node before Ray starts there, or {SWITCH}=0 to use"
            " Ray Serve's own proxies"
        )
