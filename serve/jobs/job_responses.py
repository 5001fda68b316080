"""Convert jobs to wire responses, and stream a job's events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..http.sse import Event, EventProducer
from ..webhooks.outbox import Delivery
from .feed import JobFeed
from .job_schema import (
    JobAccepted,
    JobResponse,
    JobScene,
    JobSummary,
    SceneError,
    WebhookState,
)
from .states import ENDED, JobState, SceneState

LONGEST_S = 900.0
"""The longest that a stream stays open: it holds a request slot, even if its reader silently vanished."""


def accepted(job: JobState) -> JobAccepted:
    return JobAccepted(id=job.id, status=job.status, total=job.total)


def summary(job: JobState, with_tenant: bool = False) -> JobSummary:
    return JobSummary(
        id=job.id,
        status=job.status,
        total=job.total,
        created=int(job.created_at),
        done=job.counts.get("succeeded", 0),
        failed=job.counts.get("failed", 0),
        held=job.held,
        tenant=job.owner if with_tenant else None,
    )


def whole(job: JobState, address: str, with_tenant: bool = False) -> JobResponse:
    """Return the response for a whole job. `address` is the job's URL as its caller reaches it."""
    return JobResponse(
        **summary(job, with_tenant).model_dump(),
        ahead=job.ahead,
        webhook=webhook_state(job.webhook),
        scenes=[_scene(scene, address) for scene in job.scenes],
    )


def webhook_state(delivery: Delivery | None) -> WebhookState | None:
    if delivery is None:
        return None
    names = ("id", "url", "status", "attempts", "last_error")
    return WebhookState(**{name: getattr(delivery, name) for name in names})


def _scene(scene: SceneState, address: str) -> JobScene:
    return JobScene(
        index=scene.number,
        status=scene.status,
        error=None if scene.error is None else SceneError(**scene.error),
        url=None if scene.picture is None else f"{address}/scenes/{scene.number}",
        repaints=scene.repaints or None,
        changed=scene.changed or None,
    )


def already_sent(job: JobState, last_event_id: str) -> int:
    """Return a bit mask of the scenes whose ends were already sent, read from an event's id.

    It has one bit for each scene, so that order and clocks do not matter.

    It is 0 if the id belongs to another job, or names a scene that has not ended.
    """
    job_id, _, bits = last_event_id.partition(".")
    if job_id != job.id or not re.fullmatch(f"[0-9a-f]{{1,{job.total // 4 + 1}}}", bits):
        return 0
    sent, ended = int(bits, 16), sum(1 << scene.number for scene in job.scenes if scene.status in ENDED)
    return 0 if sent & ~ended else sent


def job_events(feed: JobFeed, first: JobState, address: str, sent: int = 0) -> EventProducer:
    """Stream `job.progress` with the counts, `scene.ended` for each ended scene, then `job.ended`.

    A new stream sends every end that was not `sent` before, so a client misses nothing by reconnecting. It
    must reconnect when a stream ends without `job.ended`, as every stream does after LONGEST_S.
    """

    async def produce(on_event: Callable[[Event], None]) -> None:
        nonlocal sent
        last = dict[str, Any]()

        def report(name: str, data: dict[str, Any]) -> None:
            on_event(Event(name, data, f"{first.id}.{sent:x}"))

        with feed.following(first) as entry, suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                job = entry.state
                while True:
                    for scene in job.scenes:
                        if scene.number % 100 == 99:
                            await asyncio.sleep(0)
                        if scene.status not in ENDED:
                            sent &= ~(1 << scene.number)  # It may have ended before: its picture was damaged.
                        elif not sent >> scene.number & 1:
                            sent |= 1 << scene.number
                            report("scene.ended", _scene(scene, address).model_dump(exclude_none=True))
                    counts = summary(job).model_dump(exclude_none=True) | {"ahead": job.ahead}
                    if job.status in ENDED:
                        report("job.ended", counts)
                        return
                    if counts != last:
                        report("job.progress", counts)
                        last = counts
                    job = await entry.after(job)

    return produce
