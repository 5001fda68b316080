"""Charge the caller's quota for work as it is admitted, and refund it if nothing was made.

A refusal, a fault of ours, and work that never reached a replica cost nothing. Work that did reach one is
charged, even if its caller left or its deadline passed: otherwise leaving early would be free. So is work
that was painted or read but could not be kept: otherwise a tenant without room would have it for free.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

from fastapi import Request

from deployments.errors import CutoutFailed, DeadlineExceeded, InvalidRequest, NotReady
from deployments.merge_work import MEGA, upscaled_px
from deployments.messages import LayerJob, OutputOptions

from ..auth.middleware import budget_of, key_id_of, tenant_of
from ..auth.quotas import OverLimit, Quota
from ..graph.scene import Graph, scene_megapixels
from ..graph.scene_job import SceneJob
from ..http.error_responses import ClientGone
from ..http.sse import Event, EventProducer
from ..usage.recorder import UsageRecorder

Result = TypeVar("Result")
PLAIN = OutputOptions()
UNFINISHED = (DeadlineExceeded, InvalidRequest, ClientGone, asyncio.CancelledError)
"""Neither our refusal nor our fault: charged if the work was begun."""


def cost(*jobs: LayerJob) -> float:
    """Return the cost of painting, in megapixel-steps. A megapixel that is read or written costs one too."""
    return sum(job.megapixel_steps for job in jobs)


def scene_cost(job: SceneJob) -> float:
    """Return the cost of a scene: its layers' steps, and the pictures that its merge writes."""
    return cost(*job.layers) + scene_megapixels(job)


def layer_cost(job: LayerJob, output: OutputOptions = PLAIN) -> float:
    """Return the cost of a single layer: its steps, and its file."""
    return cost(job) + upscaled_px(job.width_px * job.height_px, output) / MEGA


def sent(graph: Graph, *jobs: LayerJob) -> Callable[[], bool]:
    """Return a check of whether any layer was handed to a replica; it returns True if nothing is known."""

    def was_sent() -> bool:
        groups = [(graph.replicas(job.generator), job) for job in jobs]
        return any(replicas is None or replicas.was_sent(job) for replicas, job in groups)

    return was_sent


@asynccontextmanager
async def charge(request: Request, amount: float, begun: Callable[[], bool]) -> AsyncIterator[None]:
    """Charge the tenant's quota and the token's budget for the work done inside the block.

    Raises Refusal 429, or 422 if the amount is never allowed.
    """
    quota, budget = getattr(request.state, "quota", None), budget_of(request)
    if not isinstance(quota, Quota):
        yield
        return
    with noting_limit(request):
        await quota.charge(amount, time.monotonic())
    try:
        if budget is not None:
            await budget.spend(amount)
    except BaseException:
        quota.give_back(amount)
        raise
    try:
        yield
    except BaseException as error:
        if not getattr(request.state, "done", False) and _costs_nothing(error, begun):
            quota.give_back(amount)
            if budget is not None:
                with suppress(NotReady):  # If this fails, only the token loses it.
                    await asyncio.shield(budget.give_back(amount))
        raise


def at_once(request: Request, amount: float) -> float:
    """Return the amount, capped at what the caller's quota allows at once, so that no work is too large."""
    quota = getattr(request.state, "quota", None)
    return quota.at_once(amount) if isinstance(quota, Quota) else amount


def note_done(request: Request) -> None:
    """Note that the charged work is done: nothing is refunded, whatever fails from now on."""
    request.state.done = True


@contextmanager
def noting_limit(request: Request) -> Iterator[None]:
    """Note which limit refuses a request inside the block, for HttpMetrics to count."""
    try:
        yield
    except OverLimit as over:
        request.state.rate_limited = over.reason
        raise


async def check_budget(request: Request) -> None:
    """Refuse a job with 429 if the tenant's monthly budget is spent. Work that has begun is finished."""
    quota = getattr(request.state, "quota", None)
    if isinstance(quota, Quota):
        with noting_limit(request):
            await quota.check_budget()


@contextmanager
def metered(request: Request) -> Iterator[None]:
    """Record what is painted inside the block as usage of the request's caller, however the block ends."""
    app = getattr(request, "app", None)
    recorder = None if app is None else getattr(app.state, "usage", None)
    if not isinstance(recorder, UsageRecorder):
        yield
        return
    with recorder.recording((tenant_of(request), key_id_of(request) or "")):
        yield


async def charged(
    request: Request, amount: float, begun: Callable[[], bool], work: Coroutine[Any, Any, Result]
) -> Result:
    """Await the work, charge for it, and record what it used."""
    try:
        with metered(request):
            async with charge(request, amount, begun):
                return await work
    finally:
        work.close()  # It may have been refused before it began.


def charged_events(
    request: Request, amount: float, begun: Callable[[], bool], work: EventProducer
) -> EventProducer:
    """Return the work of a stream with its charge, and with a record of what it used."""

    async def doing(on_event: Callable[[Event], None]) -> None:
        with metered(request):
            async with charge(request, amount, begun):
                await work(on_event)

    return doing


def _costs_nothing(error: BaseException, begun: Callable[[], bool]) -> bool:
    if isinstance(error, CutoutFailed):
        return False  # It was painted.
    return not isinstance(error, UNFINISHED) or not begun()
