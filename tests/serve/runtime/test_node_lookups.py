"""Test how often Serve's controller asks for nodes."""

from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.cluster_node_info_cache import ClusterNodeInfoCache, DefaultClusterNodeInfoCache
from ray.serve._private.utils import call_function_from_import_path

from serve.runtime.node_lookups import EVERY_S, HOOK, at_most_every


def test_nodes_are_asked_for_at_once_and_then_once_a_second() -> None:
    asked, now = list[float](), [100.0]
    update = at_most_every(EVERY_S, lambda cache: asked.append(now[0]), lambda: now[0])
    for _ in range(9):
        update(None)
        now[0] += EVERY_S / 4
    assert asked == [100.0, 100.0 + EVERY_S, 100.0 + 2 * EVERY_S]


def test_a_question_that_failed_is_asked_again() -> None:
    outcomes = iter([ConnectionError(), None])

    def ask(cache: Any) -> None:
        if error := next(outcomes):
            raise error

    update = at_most_every(EVERY_S, ask, lambda: 0.0)
    with pytest.raises(ConnectionError):
        update(None)
    update(None)
    assert next(outcomes, "all were asked") == "all were asked"


def test_rays_own_cache_takes_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Any]()
    monkeypatch.setattr(ClusterNodeInfoCache, "update", asked.append)
    call_function_from_import_path(*HOOK.values())
    cache = DefaultClusterNodeInfoCache(None)  # type: ignore[arg-type]
    cache.update()
    cache.update()
    assert asked == [cache]
