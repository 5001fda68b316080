"""Read a layer and its steps while it is painted: one streaming call of a generator's replica."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from deployments.errors import GenerationFailed
from deployments.messages import LayerEvent, LayerResult

OnEvent = Callable[[LayerEvent], None]
"""Called with places in the queue, every step, and the layer at the end. A layer that is painted again
reports its steps again."""


async def follow(response: Any, on_event: OnEvent) -> tuple[Any, LayerResult]:
    """Return the object ref for a further call, and the layer, at the end of a streaming call.

    With the ref pixels go from replica to replica here too.
    """
    painted: tuple[Any, LayerResult] | None = None
    # To the very end: a generator that is dropped before it is done leaves its task to be cleaned up by Ray.
    async for ref, item in _items(response):
        on_event(item)
        if isinstance(item, LayerResult):
            painted = ref, item
    if painted is None:
        raise GenerationFailed("the layer ended without a picture")
    return painted


async def _items(response: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yield each item with its reference, or with itself where there is none: locally, and over gRPC."""
    references = None
    # Asked for a value's reference, Serve raises one and the same error each time, with ever more frames.
    if response.by_reference:
        with suppress(RuntimeError):
            references = await response._to_object_ref_gen()
    if references is None:
        async for item in response:
            yield item, item
        return
    async for reference in references:
        yield reference, await reference
