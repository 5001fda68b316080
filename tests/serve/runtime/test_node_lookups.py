"""The number of node lookups by Serve's controller."""

from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.cluster_node_info_cache import ClusterNodeInfoCache, DefaultClusterNodeInfoCache
from ray.serve._private.utils import call_function_from_import_path

from serve.runtime.node_lookups import EVERY_S, HOOK, at_most_every


def test_nodes_are_looked_up_at_once_and_then_once_a_second() -> None:
    looked_up, now = list[float](), [100.0]
    update = at_most_every(EVERY_S, lambda cache: looked_up.append(now[0]), lambda: now[0])
    for _ in range(9):
        update(None)
        now[0] += EVERY_S / 4
    assert looked_up == [100.0, 100.0 + EVERY_S, 100.0 + 2 * EVERY_S]


def test_a_lookup_that_failed_is_repeated() -> None:
    outcomes = iter([ConnectionError(), None])

    def look_up(cache: Any) -> None:
        if error := next(outcomes):
            raise error

    update = at_most_every(EVERY_S, look_up, lambda: 0.0)
    with pytest.raises(ConnectionError):
        update(None)
    update(None)
    assert next(outcomes, "all were used") == "all were used"


def test_rays_own_cache_takes_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = list[Any]()
    monkeypatch.setattr(ClusterNodeInfoCache, "update", looked_up.append)
    call_function_from_import_path(*HOOK.values())
    cache = DefaultClusterNodeInfoCache(None)  # type: ignore[arg-type]
    cache.update()
    cache.update()
    assert looked_up == [cache]
