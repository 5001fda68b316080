"""Read a layer and its steps while it is painted: one streaming call of a generator's replica."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from deployments.errors import GenerationFailed
from deployments.messages import LayerEvent, LayerResult

OnEvent = Callable[[LayerEvent], None]
"""Called with queue positions, every step, and finally the layer. A layer that is painted again reports its
steps again."""


async def follow(response: Any, on_event: OnEvent) -> tuple[Any, LayerResult]:
    """Read a streaming call to its end. Return the object ref for a further call, and the layer.

    With the ref, pixels go from replica to replica here too.
    """
    painted: tuple[Any, LayerResult] | None = None
    # Read to the very end: Ray has to clean up the task of a generator that is dropped earlier.
    async for ref, item in _items(response):
        on_event(item)
        if isinstance(item, LayerResult):
            painted = ref, item
    if painted is None:
        raise GenerationFailed("the layer ended without a picture")
    return painted


async def _items(response: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yield each item with its reference, or with itself if it has none: locally, and over gRPC."""
    references = None
    # For a call by value Serve would raise one shared error object, whose traceback grows each time.
    if response.by_reference:
        with suppress(RuntimeError):
            references = await response._to_object_ref_gen()
    if references is None:
        async for item in response:
            yield item, item
        return
    async for reference in references:
        yield reference, await reference
