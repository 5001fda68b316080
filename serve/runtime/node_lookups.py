"""Make Serve's controller look up Ray's nodes only once a second, since one machine has one node.

By default it sends Ray's control service three requests in each of its ten turns a second, which is nearly
all that both compute at rest. The work for replicas, proxies and applications is still done in each turn.

Ray Serve has one hook into its controller, called each time it starts:
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
    """Make the controller in this process refresh its own cache of nodes less often."""
    from ray.serve._private.cluster_node_info_cache import ClusterNodeInfoCache

    name = "update"
    setattr(ClusterNodeInfoCache, name, at_most_every(EVERY_S, getattr(ClusterNodeInfoCache, name)))


def at_most_every(
    seconds: float, update: Callable[[Any], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[Any], None]:
    """Return an `update` that does nothing within `seconds` of the last one that did not fail."""
    updated_at = float("-inf")

    @wraps(update)
    def update_if_due(cache: Any) -> None:
        nonlocal updated_at
        now = clock()
        if now - updated_at >= seconds:
            update(cache)
            updated_at = now

    return update_if_due
