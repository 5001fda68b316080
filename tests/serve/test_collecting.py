from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from serve.collecting import let_go
from serve.config import ServiceConfig
from serve.ingress import Ingress


class Held:
    """In a cycle with itself, as Ray leaves what was awaited."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def resting() -> Iterator[None]:
    """A process in which the collector does not come by on its own."""
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


async def test_what_is_over_is_let_go_at_the_ingresss_health_check(
    resting: None, config: ServiceConfig
) -> None:
    ingress = Ingress(config, *[None] * 4)  # type: ignore[arg-type]
    left = weakref.ref(Held())
    assert left() is not None
    await ingress.check_health()
    assert left() is None


def test_what_was_there_at_the_first_time_is_not_looked_at_again(resting: None) -> None:
    gc.collect()
    before = len(gc.get_objects())
    let_go()
    assert len(gc.get_objects()) < before / 10
    left = weakref.ref(Held())
    let_go()
    assert left() is None
