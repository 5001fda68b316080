"""Start Ray's node without three helpers that a private Ray has no use for: each takes a second of CPU time.

They are the dashboard's head, which runs even if no dashboard is requested; the autoscaler's monitor, since
one machine has no nodes to add; and the monitor that copies workers' logs to a driver that reads none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private.node import Node

NEEDLESS = ("start_monitor", "start_log_monitor", "start_api_server")
"""Methods of Ray's Node, each of which starts one of them."""


@contextmanager
def needed_processes_alone() -> Iterator[None]:
    """Make every node that starts in the block start only the helpers that Ray Serve needs."""
    before = {name: getattr(Node, name) for name in NEEDLESS}
    for name in NEEDLESS:
        setattr(Node, name, _start_nothing)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Node, name, method)


def _start_nothing(node: Any, **options: Any) -> None:
    node._webui_url = ""  # Set by start_api_server and read elsewhere. There is no page.
