"""Have Serve's controller ask for Ray's nodes once a second: on one machine there is one.

It asks three questions of Ray's control service at each of its ten turns a second, which is nearly all that
both compute at rest. What replicas, proxies and applications need is done at each turn as before.

Ray Serve has one hook into its controller, called at each start of it:
`RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

EVERY_S = 1.0
HOOK = {"RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH": "serve.runtime.node_lookups:install"}


def install() -> None:
    """Let the controller of this process, which has its own cache of nodes, fill it less often."""
    from ray.serve._private.cluster_node_info_cache import ClusterNodeInfoCache

    name = "update"
    setattr(ClusterNodeInfoCache, name, at_most_every(EVERY_S, getattr(ClusterNodeInfoCache, name)))


def at_most_every(
    seconds: float, update: Callable[[Any], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[Any], None]:
    """Return an `update` that does nothing so soon after the last one. One that has failed does not count."""
    updated_at = float("-inf")

    @wraps(update)
    def update_if_due(cache: Any) -> None:
        nonlocal updated_at
        now = clock()
        if now - updated_at >= seconds:
            update(cache)
            updated_at = now

    return update_if_due
