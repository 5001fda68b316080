"""Connect to Ray without the exporter that sends the metrics of this process, the driver, to Ray's agent.

Ray 2.60 stops the thread of its first exporter only: OpenTelemetry's meter provider lives as long as the
process, and can be shut down once. Each further `ray.init` leaves a thread behind, which exports every ten
seconds. Where it does so while the process ends, it logs into a logger that is destroyed already, and a
process that had done all its work ends with 139 (SIGSEGV). The driver starts the service and measures nothing
itself: replicas, proxies and Ray's own processes have exporters of their own, and keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import services

NO_AGENT = {"metrics_agent_port": 0}


@contextmanager
def unexported() -> Iterator[None]:
    """Let each `ray.init` inside this block connect as if its node had no agent for metrics."""
    get_node: Callable[..., dict[str, Any]] = services.get_node

    def get_node_without_agent(*arguments: Any, **options: Any) -> dict[str, Any]:
        return {**get_node(*arguments, **options), **NO_AGENT}

    services.get_node = get_node_without_agent
    try:
        yield
    finally:
        services.get_node = get_node
