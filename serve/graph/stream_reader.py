"""A layer that tells of its steps while it is painted: one streaming call of a generator's replica."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from deployments.errors import GenerationFailed
from deployments.messages import LayerEvent, LayerResult

Tell = Callable[[LayerEvent], None]
"""Hears of places in the queue, of every step and of the layer at the end. A layer that is painted again
tells its steps again."""


async def follow(response: Any, tell: Tell) -> tuple[Any, LayerResult]:
    """The layer at the end of a streaming call, and what stands for it in a further call.

    That is its object's reference, so that pixels go from replica to replica here too.
    """
    painted: tuple[Any, LayerResult] | None = None
    # To the very end: a generator that is dropped before it is done leaves its task to be cleaned up by Ray.
    async for stand_in, item in _items(response):
        tell(item)
        if isinstance(item, LayerResult):
            painted = stand_in, item
    if painted is None:
        raise GenerationFailed("the layer ended without a picture")
    return painted


async def _items(response: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Each item beside its reference, or beside itself where there are none: locally, and over gRPC."""
    try:
        references = await response._to_object_ref_gen()
    except RuntimeError:
        async for item in response:
            yield item, item
        return
    async for reference in references:
        yield reference, await reference
