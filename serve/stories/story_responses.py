"""Convert stories to wire responses, and stream a story's events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..http.sse import Event, EventProducer
from ..jobs.feed import JobFeed
from ..jobs.job_responses import job_events, webhook_state
from ..jobs.job_schema import SceneError
from ..jobs.states import JobState, SceneState
from .kept_story import Story
from .story_answers import PageState, StoryAccepted, StoryResponse, StorySummary
from .story_store import StoryState
from .texts import languages_of

EVENT_NAMES = {"job.progress": "story.progress", "scene.ended": "page.ended", "job.ended": "story.ended"}


def accepted(job: JobState) -> StoryAccepted:
    return StoryAccepted(id=job.id, status=job.status, total=job.total)


def summary(job: JobState, title: str | dict[str, str], with_tenant: bool = False) -> StorySummary:
    return StorySummary(
        id=job.id,
        status=job.status,
        total=job.total,
        title=title,
        created=int(job.created_at),
        done=job.counts.get("succeeded", 0),
        failed=job.counts.get("failed", 0),
        held=job.held,
        tenant=job.owner if with_tenant else None,
    )


def whole(state: StoryState, address: str, with_tenant: bool = False) -> StoryResponse:
    """Return the response for a whole story. `address` is the story's URL as its caller reaches it."""
    job, story = state.job, state.story
    request = story.request
    return StoryResponse(
        **summary(job, request.title, with_tenant).model_dump(),
        seed=request.seed or 0,
        language=request.language,
        languages=languages_of([request.title, *(page.text for page in request.pages)], request.language),
        cast={name: member.version for name, member in story.members.items()},
        order=list(story.in_books()),
        ahead=job.ahead,
        webhook=webhook_state(job.webhook),
        pages=[
            page_state(story, scene, state.headers.get(scene.number, {}), address) for scene in job.scenes
        ],
    )


def page_state(story: Story, scene: SceneState, headers: Mapping[str, str], address: str) -> PageState:
    if scene.status != "succeeded":
        headers = {}  # They belong to its previous picture.
    degraded = headers.get("X-Degraded")
    page = story.request.pages[scene.number]
    return PageState(
        index=scene.number,
        status=scene.status,
        text=page.text,
        error=None if scene.error is None else SceneError(**scene.error),
        picture=None if scene.picture is None else f"{address}/pages/{scene.number}",
        consistency=_consistency(story, scene.number, headers.get("X-Consistency", "")),
        degraded=degraded.split(", ") if degraded else None,
        repaints=scene.repaints or None,
        changed=scene.changed or None,
    )


def _consistency(story: Story, number: int, header: str) -> dict[str, float] | None:
    """Read the consistency of each hero of a page; the lower value for one who is there twice."""
    measured = header.removeprefix("characters=").split(",") if header else []
    found: dict[str, float] = {}
    for figure, value in zip(story.request.pages[number].characters, measured, strict=False):
        if figure.cast is not None and value != "-":
            found[figure.cast] = min(float(value), found.get(figure.cast, 1.0))
    return found or None


def story_events(feed: JobFeed, first: JobState, address: str, sent: int = 0) -> EventProducer:
    """Stream `story.progress`, `page.ended` for each ended page, then `story.ended`, as for a job."""
    work = job_events(feed, first, address, sent)

    async def produce(on_event: Callable[[Event], None]) -> None:
        await work(lambda event: on_event(_of_story(event, address)))

    return produce


def _of_story(event: Event, address: str) -> Event:
    data: dict[str, Any] = dict(event.data) if isinstance(event.data, Mapping) else {}
    if data.pop("url", None) is not None:
        data["picture"] = f"{address}/pages/{data['index']}"
    return Event(EVENT_NAMES[event.name], data, event.id)
