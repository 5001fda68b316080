"""Let the helpers of Ray's node give way to everything else: their imports take as long as half a start.

Ray's workers run at a priority far below its helpers', which nothing waits for: the node has their ports
(agent_ports.py), and metrics that come a second later are none the worse.
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
    """Run the helpers of every node that starts meanwhile at the lowest priority, where there is `nice`."""
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
    """Return an argument of the node's command, in which a helper's command is run by `nice`."""
    for flag in COMMANDS:
        if argument.startswith(flag):
            return f"{flag}{nice} -n {NICENESS} {argument.removeprefix(flag)}"
    return argument
