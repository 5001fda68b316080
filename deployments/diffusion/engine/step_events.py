"""Report each step to a caller.

A preview, where the caller wants one, delays its own event alone: never the painting, nor the finished
picture.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future
from typing import Any

from deployments.diffusion.engine.work_item import Listener, Progress
from deployments.diffusion.latent_previews import encode_preview, preview_steps
from deployments.errors import ScenewrightError
from deployments.failures import in_thread
from deployments.messages import LayerJob, Pixels, StepEvent

log = logging.getLogger(__name__)


async def step_event(job: LayerJob, listener: Listener, progress: Progress) -> StepEvent:
    """Return the event of one step. `deadline_at` of the job is by the monotonic clock."""
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
    """Wait for a preview. Return None where the picture itself is done first."""
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
