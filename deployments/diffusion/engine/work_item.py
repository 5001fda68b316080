"""Track one job through the engine: its callers, what is painted, and the events of each step.

A preview that a caller wants delays only its own event, never the painting or the finished picture.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from deployments.diffusion.engine.result_cache import LayerKey
from deployments.diffusion.latent_previews import encode_preview
from deployments.diffusion.painter import Painting, PaintRequest, Preview, preview_steps
from deployments.diffusion.scheduling.scheduler import ScheduledJob
from deployments.errors import DEADLINE_PASSED, DeadlineExceeded, ScenewrightError
from deployments.failures import Failure, in_thread
from deployments.messages import (
    CACHED_GUIDANCE,
    Backend,
    LayerJob,
    LayerResult,
    LayerTimings,
    Pixels,
    StepEvent,
    Usage,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Progress:
    """A finished step, whose `preview` is not encoded yet.

    `batch_rows` is the number of rows in the largest forward of the step.
    """

    step: int
    steps: int
    preview: Preview | None = None
    batch_rows: int = 0


@dataclass(frozen=True)
class Place:
    """A position in the queue. `ahead` is how many jobs are before it, 0 once it is in a step."""

    ahead: int


News = Place | Progress | LayerResult | Failure


@dataclass(eq=False)
class Listener:
    """One caller, on its own event loop. `joined` is true if it joined the work of an equal request.

    `queue_events`: it also receives queue positions. `ended` is set once its last event has arrived. `usage`
    is what it was charged so far (device_time.py), and `tenant` is the tenant it belongs to.
    """

    loop: asyncio.AbstractEventLoop
    joined: bool = False
    queue_events: bool = False
    tenant: str = ""
    usage: Usage = field(default_factory=Usage)
    news: asyncio.Queue[News] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, news: News) -> None:
        """Queue an event for the caller, on the caller's own loop."""
        self.news.put_nowait(news)
        if isinstance(news, LayerResult | Failure):
            self.ended.set()

    async def next_news(self, deadline_at: float) -> News:
        """Return the next event. Raises DeadlineExceeded at `deadline_at`, by the monotonic clock."""
        try:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that arrives together with an event.
            async with asyncio.timeout(max(0.0, deadline_at - time.monotonic())):
                return await self.news.get()
        except TimeoutError:
            raise DeadlineExceeded(DEADLINE_PASSED) from None


@dataclass(eq=False)
class WorkItem(ScheduledJob):
    """One layer to paint, for one caller or for several with equal requests.

    `request` is how to paint it in this attempt, and `attempt` counts from 1. The four times are seconds of
    one clock, at which the stages of this attempt end. `place` is the last one reported, None if it never had
    to wait.
    """

    job: LayerJob = field(kw_only=True)
    request: PaintRequest = field(kw_only=True)
    result_key: LayerKey | None = field(default=None, kw_only=True)
    listeners: list[Listener] = field(default_factory=list, kw_only=True)
    last_left: Listener | None = field(default=None, kw_only=True)
    previews: int = 0
    attempt: int = 1
    queued_at: float = 0.0
    begun_at: float = 0.0
    encoded_at: float = 0.0
    denoised_at: float = 0.0
    painting: Painting | None = None
    place: Place | None = None

    @property
    def payers(self) -> tuple[Listener, ...]:
        """Return the callers to charge for work done now: all, or the last to leave if none is left."""
        callers = tuple(self.listeners)
        return callers if callers or self.last_left is None else (self.last_left,)

    @property
    def is_reduced(self) -> bool:
        """Return whether this attempt paints less than the job requested."""
        job, request = self.job, self.request
        size = (request.width_px, request.height_px) != (job.width_px, job.height_px)
        fewer = request.num_inference_steps != job.num_inference_steps
        less = request.guidance_scale != job.guidance_scale or request.read_scale < 1
        return size or fewer or less

    @property
    def degraded(self) -> tuple[str, ...]:
        """List how the result differs from the request, or from a picture with exact guidance."""
        reseeded = self.request.seed != self.job.seed
        cached = self.painting is not None and self.painting.caches_guidance
        return ("reduced",) * self.is_reduced + ("reseeded",) * reseeded + (CACHED_GUIDANCE,) * cached

    def result(
        self, pixels: Pixels, seed: int, model: str, backend: Backend, degraded: tuple[str, ...]
    ) -> LayerResult:
        """Return the finished layer. `pixels` (h, w, 3) become read-only, since callers may share them."""
        pixels.setflags(write=False)
        painting = self.painting
        return LayerResult(
            self.job.kind,
            pixels,
            seed,
            model,
            backend,
            self.timings(time.perf_counter()),
            degraded,
            painting.warnings if painting is not None else (),
            painting.recipe if painting is not None else None,
        )

    def join(self, job: LayerJob, loop: asyncio.AbstractEventLoop) -> Listener:
        """Add a listener; raise the item's urgency and previews to the most that any caller wants."""
        listener = Listener(loop, joined=True, queue_events=job.queue_events, tenant=job.tenant)
        self.listeners.append(listener)
        if job.queue_events and self.place is not None and self.painting is None:
            listener.receive(self.place)
        self.deadline_at = min(self.deadline_at, job.deadline_at)
        if job.priority == "interactive":
            self.priority = "interactive"
        if job.previews > self.previews:
            self.previews = job.previews
            if self.painting is not None:
                self.painting.preview_steps |= preview_steps(job.previews, self.painting.steps)
        return listener

    @property
    def has_moved(self) -> bool:
        """Return whether its place in the queue differs from the last one reported."""
        reported_ahead = 0 if self.place is None else self.place.ahead
        return self.painting is None and self.ahead != reported_ahead

    @property
    def followers(self) -> list[Listener]:
        """Return the listeners that receive its place in the queue."""
        return [listener for listener in self.listeners if listener.queue_events]

    def timings(self, decoded_at: float) -> LayerTimings:
        """Return the milliseconds of each stage.

        A failed attempt counts as time in the queue, and a stage that was never reached as zero.
        """
        ends = accumulate((self.queued_at, self.begun_at, self.encoded_at, self.denoised_at, decoded_at), max)
        return LayerTimings(*(1e3 * (end - begin) for begin, end in pairwise(ends)))


class Outbox:
    """Collect the events of a step, and send them to each event loop in one call.

    Waking a loop costs more than the bookkeeping of a step.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.AbstractEventLoop, list[tuple[Listener, News]]] = {}

    def put(self, listeners: Iterable[Listener], news: News) -> None:
        for listener in listeners:
            self._waiting.setdefault(listener.loop, []).append((listener, news))

    def send(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for loop, letters in waiting.items():
            with suppress(RuntimeError):  # A closed loop has no listener left.
                loop.call_soon_threadsafe(_hand_over, letters)


def _hand_over(letters: list[tuple[Listener, News]]) -> None:
    for listener, news in letters:
        listener.receive(news)


async def step_event(job: LayerJob, listener: Listener, progress: Progress) -> StepEvent:
    """Return the event of one step. The job's `deadline_at` is by the monotonic clock."""
    preview = progress.preview if progress.step in preview_steps(job.previews, progress.steps) else None
    try:
        if isinstance(preview, Future):
            preview = await _drawn(preview, listener, job.deadline_at)
        encoded = None if preview is None else await in_thread(encode_preview, preview)
    except ScenewrightError:
        log.warning("a preview could not be encoded", exc_info=True)
        encoded = None
    return StepEvent(job.kind, progress.step, progress.steps, encoded, progress.batch_rows)


async def _drawn(preview: Future[Pixels | None], listener: Listener, deadline_at: float) -> Pixels | None:
    """Wait for a preview. Return None if it fails, or if the job ends or its deadline passes first."""
    drawing = asyncio.wrap_future(preview)
    either: set[asyncio.Future[Any]] = {drawing, asyncio.ensure_future(listener.ended.wait())}
    try:
        left_s = max(0.0, deadline_at - time.monotonic())
        await asyncio.wait(either, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        whole = drawing.done() and not drawing.cancelled() and drawing.exception() is None
        return drawing.result() if whole else None
    finally:
        for each in either:
            each.cancel()
