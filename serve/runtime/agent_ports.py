"""Give Ray's node the ports of its helpers before it starts, since it waits only 30 s for them.

The limit is in the node's binary and has no setting. After it the node ends itself. On a machine whose cores
are all busy, its two helpers take longer than that to import their code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from ray import _raylet
from ray._private import services

from .free_ports import free_ports

NATIVE: Any = _raylet  # Its type stubs cover only a part of it.
PORTS = {
    "metrics_agent_port": NATIVE.METRICS_AGENT_PORT_NAME,
    "metrics_export_port": NATIVE.METRICS_EXPORT_PORT_NAME,
    "dashboard_agent_listen_port": NATIVE.DASHBOARD_AGENT_LISTEN_PORT_NAME,
    "runtime_env_agent_port": NATIVE.RUNTIME_ENV_AGENT_PORT_NAME,
}
"""The name of the file with a helper's port, by the parameter of Ray's `start_raylet`."""


@contextmanager
def announced_ports() -> Iterator[None]:
    """Choose the helpers' ports for every node that starts in the block, and make its helpers use them."""
    start: Callable[..., Any] = services.start_raylet
    signature = inspect.signature(start)

    @wraps(start)
    def start_with_ports(*arguments: Any, **options: Any) -> Any:
        given = signature.bind(*arguments, **options).arguments
        chosen = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        ports = {name: given.get(name) or port for name, port in chosen.items()}
        for name, port in ports.items():
            # The node has no flag for one of them, and only reads the file.
            NATIVE.persist_port(given["session_dir"], given["node_id"], PORTS[name], port)
        return start(*arguments, **(options | ports))

    services.start_raylet = start_with_ports
    try:
        yield
    finally:
        services.start_raylet = start
