"""Charge the quota of a request's caller for work as it is admitted; give it back where nothing was made.

A refusal, a fault of ours, and work that never reached a replica cost nothing. Work that did reach one is
paid for, even where its caller left or its deadline passed: else leaving early would be free.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi import Request

from deployments.errors import CutoutFailed, DeadlineExceeded, InvalidRequest
from deployments.merge_work import MEGA
from deployments.messages import LayerJob

from ..auth.quotas import Quota
from ..graph.scene import Graph, scene_megapixels
from ..graph.scene_job import SceneJob
from ..http.error_responses import ClientGone
from ..http.sse import Event, EventProducer

Result = TypeVar("Result")
UNFINISHED = (DeadlineExceeded, InvalidRequest, ClientGone, asyncio.CancelledError)
"""Not our refusal and not our fault: paid for where the work was begun."""


def cost(*jobs: LayerJob) -> float:
    """Return what painting costs, in megapixel-steps. A megapixel read or written costs as much as one."""
    return sum(job.megapixel_steps for job in jobs)


def scene_cost(job: SceneJob) -> float:
    """Return what a scene costs: its layers' steps, and the pictures that its merge writes."""
    return cost(*job.layers) + scene_megapixels(job)


def layer_cost(job: LayerJob) -> float:
    """Return what a layer alone costs: its steps, and its file."""
    return cost(job) + job.width_px * job.height_px / MEGA


def sent(graph: Graph, *jobs: LayerJob) -> Callable[[], bool]:
    """Say later whether any of the layers was handed to a replica; true where nothing is known."""

    def was_sent() -> bool:
        groups = [(graph.replicas(job.generator), job) for job in jobs]
        return any(replicas is None or replicas.was_sent(job) for replicas, job in groups)

    return was_sent


@contextmanager
def charge(request: Request, amount: float, begun: Callable[[], bool]) -> Iterator[None]:
    """Take the amount for the work done inside. Raises Refusal 429, and 422 where it never can be taken."""
    quota = getattr(request.state, "quota", None)
    if not isinstance(quota, Quota):
        yield
        return
    quota.spend(amount, time.monotonic())
    try:
        yield
    except BaseException as error:
        if _costs_nothing(error, begun):
            quota.give_back(amount)
        raise


async def charged(
    request: Request, amount: float, begun: Callable[[], bool], work: Coroutine[Any, Any, Result]
) -> Result:
    """Await the work, and charge for it."""
    try:
        with charge(request, amount, begun):
            return await work
    finally:
        work.close()  # Where it was refused before it began.


def charged_events(
    request: Request, amount: float, begun: Callable[[], bool], work: EventProducer
) -> EventProducer:
    """Do the work of a stream, and charge for it."""

    async def doing(on_event: Callable[[Event], None]) -> None:
        with charge(request, amount, begun):
            await work(on_event)

    return doing


def _costs_nothing(error: BaseException, begun: Callable[[], bool]) -> bool:
    if isinstance(error, CutoutFailed):
        return False  # It was painted.
    return not isinstance(error, UNFINISHED) or not begun()
