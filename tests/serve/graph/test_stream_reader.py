from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from deployments.errors import GenerationFailed
from deployments.messages import LayerResult, LayerTimings, StepEvent
from serve.graph.scene import Graph, render
from serve.graph.scene_job import SceneJob
from serve.graph.stream_reader import follow
from tests.support.fake_handles import Handle, Method, died

STEP = StepEvent("character", 1, 1)


def layer(kind: Any = "character") -> LayerResult:
    pixels = np.zeros((1, 1, 3), np.uint8)
    return LayerResult(kind, pixels, 1, "model", "simulated", LayerTimings(0, 0, 0, 0))


class Reference:
    """A reference to an item in the object store: awaiting it returns the item."""

    def __init__(self, item: Any) -> None:
        self.item = item

    def __await__(self) -> Any:
        async def value() -> Any:
            if isinstance(self.item, Exception):
                raise self.item
            return self.item

        return value().__await__()


class Streaming:
    """A streaming call: its items, by reference or not."""

    def __init__(self, *items: Any, by_reference: bool = True) -> None:
        self.references = [Reference(item) for item in items]
        self.by_reference = by_reference
        self.cancelled = False

    async def _to_object_ref_gen(self) -> AsyncIterator[Reference]:
        if not self.by_reference:
            raise RuntimeError("no references here")

        async def each() -> AsyncIterator[Reference]:
            for reference in self.references:
                yield reference

        return each()

    async def __aiter__(self) -> AsyncIterator[Any]:
        for reference in self.references:
            yield await reference

    def cancel(self) -> None:
        self.cancelled = True


async def test_the_layers_reference_is_passed_in_its_place() -> None:
    painted, events = layer(), list[Any]()
    response = Streaming(STEP, painted)
    assert await follow(response, events.append) == (response.references[1], painted)
    assert events == [STEP, painted]


async def test_without_references_the_layer_is_passed_itself() -> None:
    painted = layer()
    assert await follow(Streaming(STEP, painted, by_reference=False), lambda item: None) == (painted, painted)


async def test_a_stream_without_a_layer_is_a_fault() -> None:
    with pytest.raises(GenerationFailed):
        await follow(Streaming(STEP), lambda item: None)


class StreamingHandle(Handle):
    def options(self, *, stream: bool) -> StreamingHandle:
        assert stream
        return self


class Streams(Method):
    """A fake method for streaming calls, as Method is for others: each outcome is the items of a stream."""

    def remote(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        return Streaming(*self.outcomes.pop(0))


async def test_a_lost_replica_is_followed_again_and_its_reference_is_merged(job: SceneJob) -> None:
    character, background, events = layer(), layer("background"), list[Any]()
    paint = Streams((STEP, died()), (STEP, character))
    merge = Method("M")
    graph: Any = Graph(
        StreamingHandle(stream=paint),  # type: ignore[arg-type]
        StreamingHandle(stream=Streams((background,))),  # type: ignore[arg-type]
        Handle(merge=merge),  # type: ignore[arg-type]
    )
    result = await render(graph, job, lambda event, _: events.append(event))
    assert (result.character, result.background) == (character, background)
    assert [reference.item for reference in merge.calls[0][1:]] == [character, background]
    assert paint.calls == [(job.character,)] * 2
    assert events.count(STEP) == 2
