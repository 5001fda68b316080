"""Stream the changes of jobs and stories: `…/events`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response

from ..auth.middleware import tenant_of
from ..config.request_limits import Limits
from ..http.sse import EVENTS, EventProducer, EventStream
from ..http.stream_budget import StreamBudget
from ..jobs.feed import JobFeed
from ..jobs.job_responses import LONGEST_S, already_sent
from ..jobs.job_service import JobService
from ..jobs.states import JobState
from ..openapi.fragments import describe_header, responses_of

EVENT_POLL_S = 0.5
EVENTS_RESPONSES = responses_of("events", (EVENTS,), ("Cache-Control",))


def describe_last_event(parts: str) -> dict[str, Any]:
    """Return the part of an operation that describes how to resume a stream."""
    meaning = f"the `id` of the last event received: {parts} already sent are not sent again"
    return describe_header("Last-Event-ID", ".*", meaning)


class JobStreams:
    """The open event streams of one route, bounded in total and per tenant, and fed by one query."""

    def __init__(self, limits: Limits, jobs: JobService) -> None:
        self._feed = JobFeed(jobs.open_jobs, jobs.job, EVENT_POLL_S)
        self._open = StreamBudget(limits.max_streams, limits.max_streams_per_tenant, LONGEST_S)

    async def stream(
        self,
        request: Request,
        find: Callable[[], Awaitable[JobState]],
        events: Callable[[JobFeed, JobState, str, int], EventProducer],
        address: str,
    ) -> Response:
        """Respond with the events of the job that `find` returns. `address` is its path, or its story's.

        Raises Refusal 429, and what `find` raises.
        """
        self._open.check(tenant_of(request))  # First, so that a retry while streams are full reads no job.
        job = await find()
        sent = already_sent(job, request.headers.get("last-event-id", ""))
        work = events(self._feed, job, address, sent)
        return EventStream(request, work, place=self._open.open(tenant_of(request)))
