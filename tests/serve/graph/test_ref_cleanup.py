from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from deployments import heap
from deployments.heap import freeze
from serve.config.service_config import ServiceConfig
from serve.graph.ref_cleanup import clean_up
from serve.ingress import Ingress


class Held:
    """An object that refers to itself, as Ray leaves awaited objects."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def resting() -> Iterator[None]:
    """Disable automatic garbage collection."""
    gc.unfreeze()
    gc.disable()
    yield
    gc.enable()
    gc.collect()
    gc.freeze()  # as before (tests/support/frozen_heap.py)


async def test_what_is_over_is_released_at_the_ingresss_health_check(
    resting: None, config: ServiceConfig
) -> None:
    ingress = Ingress(config, *[None] * 4)  # type: ignore[arg-type]
    ingress.__serve_build_asgi_app__()
    left = weakref.ref(Held())
    assert left() is not None
    await ingress.check_health()
    assert left() is None


async def test_what_is_under_way_at_the_first_health_check_is_released_later(
    resting: None, config: ServiceConfig
) -> None:
    ingress = Ingress(config, *[None] * 4)  # type: ignore[arg-type]
    ingress.__serve_build_asgi_app__()
    under_way = Held()
    left = weakref.ref(under_way)
    await ingress.check_health()
    del under_way
    await ingress.check_health()
    assert left() is None


def test_what_a_process_starts_with_is_not_looked_at_again(
    resting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heap, "_frozen", [])
    gc.collect()
    before = len(gc.get_objects())
    freeze()
    assert len(gc.get_objects()) < before / 10
    left = weakref.ref(Held())
    clean_up()
    assert left() is None
