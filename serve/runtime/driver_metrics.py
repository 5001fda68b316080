"""Connect to Ray without the exporter that sends the metrics of this process, the driver, to Ray's agent.

Ray 2.60 stops only the thread of its first exporter: OpenTelemetry's meter provider lives as long as the
process, and can be shut down once. Each further `ray.init` leaves a thread behind, which exports every ten
seconds. If it does so while the process ends, it writes to a logger that is already destroyed, and a process
that has finished its work ends with 139 (SIGSEGV). The driver starts the service and measures nothing itself.
Replicas, proxies and Ray's own processes keep their own exporters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import services

NO_AGENT = {"metrics_agent_port": 0}


@contextmanager
def unexported() -> Iterator[None]:
    """Make each `ray.init` inside this block connect as if its node had no metrics agent."""
    get_node: Callable[..., dict[str, Any]] = services.get_node

    def get_node_without_agent(*arguments: Any, **options: Any) -> dict[str, Any]:
        return {**get_node(*arguments, **options), **NO_AGENT}

    services.get_node = get_node_without_agent
    try:
        yield
    finally:
        services.get_node = get_node
