"""Previews of the composed scene, made by the merger's replicas while the layers are still being painted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Self

from deployments.messages import LayerEvent, LayerKind, MergeJob, StepEvent

from ..telemetry.logs import logger
from .replica_calls import Response
from .scene import Graph

Branch = tuple[LayerKind, int | None]
PLACE: Branch = ("background", None)


class ScenePreviews:
    """Makes the n-th preview once every layer has sent its n-th. Late and failed previews are left out."""

    def __init__(self, graph: Graph, merge: MergeJob, on_preview: Callable[[bytes], None]) -> None:
        self._graph = graph
        self._merge = merge
        self._on_preview = on_preview
        figures = range(len(merge.figures)) if merge.figures else (None,)
        self._figures: list[Branch] = [("character", index) for index in figures]
        self._latest: dict[Branch, bytes] = {}
        self._sent: Counter[Branch] = Counter()
        self._made = 0
        self._making: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._making:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    def on_event(self, item: LayerEvent, index: int | None = None) -> None:
        """Handle a queue position, a step or a layer; `index` is the figure's if there are several."""
        if not isinstance(item, StepEvent) or item.preview is None:
            return
        self._latest[item.kind, index] = item.preview
        self._sent[item.kind, index] += 1
        idle = self._making is None or self._making.done()
        if idle and min(self._sent[branch] for branch in (*self._figures, PLACE)) > self._made:
            self._made += 1
            self._making = asyncio.create_task(self._make())

    async def _make(self) -> None:
        figures, place = [self._latest[branch] for branch in self._figures], self._latest[PLACE]
        merge, merger = self._merge, self._graph.merger
        response: Response = (
            merger.group_preview.remote(merge.options, merge.figures, place, figures, merge.tenant)
            if merge.figures
            else merger.preview.remote(merge.options, figures[0], place, merge.tenant)
        )
        try:
            self._on_preview(await response)
        except asyncio.CancelledError:
            response.cancel()
            raise
        except Exception:  # Whatever the merger raised, the scene itself goes on; the cause is logged.
            logger.warning("a preview of a scene could not be made", exc_info=True)
