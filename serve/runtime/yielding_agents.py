"""Run the helpers of Ray's node at the lowest priority: their imports take as long as half a start.

By default Ray's workers have a far lower priority than its helpers, though nothing waits for those. The node
has their ports (agent_ports.py), and metrics may come a second later.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from ray._private import services

COMMANDS = ("--dashboard_agent_command=", "--runtime_env_agent_command=")
"""The flags of Ray's node with the commands of its helpers."""
NICENESS = 19


@contextmanager
def yielding_agents() -> Iterator[None]:
    """Run the helpers of every node that starts in the block at the lowest priority, if there is `nice`."""
    start: Callable[..., Any] = services.start_ray_process
    nice = shutil.which("nice")

    @wraps(start)
    def start_with_niceness(command: list[str], *arguments: Any, **options: Any) -> Any:
        if nice is not None:
            command = [with_niceness(argument, nice) for argument in command]
        return start(command, *arguments, **options)

    services.start_ray_process = start_with_niceness
    try:
        yield
    finally:
        services.start_ray_process = start


def with_niceness(argument: str, nice: str) -> str:
    """Return an argument of the node's command with `nice` put before a helper's command."""
    for flag in COMMANDS:
        if argument.startswith(flag):
            return f"{flag}{nice} -n {NICENESS} {argument.removeprefix(flag)}"
    return argument
