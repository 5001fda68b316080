"""Serve stories to their callers: submit, look up, repaint a page, end. Blocking work runs in threads."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

from deployments.errors import InvalidRequest
from deployments.messages import PictureFormat

from ..api.known_pictures import NONE, Known
from ..api.layer_schema import PictureInput
from ..api.loras import with_lora_files
from ..api.members import Member
from ..api.resolve_layer import SEED_BITS
from ..api.scene_schema import SceneRequest
from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..http.off_loop import off_loop
from ..jobs.damaged_pictures import Outcome
from ..jobs.job_admission import refusals_in_words
from ..jobs.job_schema import JobRequest
from ..jobs.job_service import JobService
from ..jobs.scene_jobs import admit_one, name_loras
from ..jobs.states import JobState, SceneState
from . import story_store
from .kept_story import Story, changed_page, changed_story, letters_of
from .pages import scene_in_story, scenes_of
from .story_refusals import (
    CANCELLED,
    NO_PICTURE,
    NO_STORY,
    busy,
    check_letters,
    of_pages,
    of_stories,
    page_of,
)
from .story_schema import PageChange, RepaintRequest, StoryChange, StoryRequest
from .story_store import StoryState

ATTEMPTS = 5
"""The number of attempts at a change while others change the same story."""


class StoryService:
    """Stories. A story is a job whose scenes are its pages, with an additional row."""

    def __init__(self, config: ServiceConfig, jobs: JobService) -> None:
        self._config = config
        self._jobs = jobs

    def begun(self, requested: StoryRequest, members: Mapping[str, Member]) -> Story:
        """Return a new story, with its seed. Raises InvalidRequest if its texts are too long."""
        check_letters(requested)
        if requested.seed is None:
            requested = requested.model_copy(update={"seed": secrets.randbits(SEED_BITS)})
        return Story(requested, members)

    async def scenes(self, story: Story) -> list[SceneRequest]:
        """Return the scenes of all pages. Raises InvalidRequest with the parameter's path."""
        return await off_loop(lambda: scenes_of(story, self._config))

    async def _job_request(self, story: Story) -> JobRequest:
        return JobRequest(scenes=await self.scenes(story), webhook=story.request.webhook)

    async def would_submit(
        self,
        owner: str,
        story: Story,
        digest: str,
        key: str | None,
        key_id: str | None,
        pictures: Collection[PictureInput],
    ) -> JobState | None:
        """Refuse what `submit` would refuse for any pictures. Return an earlier story with the same key."""
        request = await self._job_request(story)
        with of_pages():
            return await self._jobs.would_submit(owner, request, digest, key, key_id, pictures)

    async def submit(
        self,
        owner: str,
        story: Story,
        digest: str,
        key: str | None,
        key_id: str | None,
        pictures: Known = NONE,
    ) -> JobState:
        """Submit a story. It is stored durably when this returns.

        `pictures` are all that it names, by their ids. Raises what submitting a job raises.
        """
        request = await self._job_request(story)
        names = frozenset(picture.name for picture in pictures.values())
        beside = story_store.NewStory(await off_loop(lambda: story_store.StoryBody(story)), names)
        with of_pages():
            return await self._jobs.submit(owner, request, digest, key, key_id, pictures, beside)

    async def find(self, owner: str | None, story_id: str) -> StoryState:
        """Return a story and its pages. Raises Refusal 404."""
        with of_stories():
            job = await self._jobs.job(owner, story_id)

        def look() -> StoryState | None:
            kept = story_store.find(self._jobs.engine, owner, story_id)
            if kept is None:
                return None
            return StoryState(kept, job, story_store.headers_of(self._jobs.engine, story_id))

        found = await self._jobs.in_thread(look)
        if found is None:
            raise Refusal(404, "not_found", NO_STORY)
        return found

    async def job(self, owner: str | None, story_id: str) -> JobState:
        """Return a story's job without its texts, which may have megabytes. Raises Refusal 404."""
        with of_stories():
            job = await self._jobs.job(owner, story_id)
        await self._check_is_story(story_id, NO_STORY)
        return job

    async def page(
        self, owner: str | None, limit: int, after: str | None
    ) -> tuple[list[tuple[JobState, str | dict[str, str]]], str | None]:
        """Return a page of stories with their titles, newest first, and the cursor of the next one."""
        jobs, cursor = await self._jobs.page(owner, limit, after, story_store.story_ids())
        ids = [job.id for job in jobs]
        found = await self._jobs.in_thread(lambda: story_store.titles_of(self._jobs.engine, ids))
        return [(job, found[job.id]) for job in jobs if job.id in found], cursor

    async def end(self, owner: str | None, story_id: str) -> JobState:
        """Cancel a story, or remove one that has ended with its pictures. Raises Refusal 404."""
        await self.job(owner, story_id)
        with of_stories():
            return await self._jobs.end(owner, story_id)

    async def picture(
        self, owner: str, story_id: str, number: int, whole: bool, on_damage: Callable[[Outcome], None]
    ) -> tuple[SceneState, bytes, PictureFormat | None]:
        """Return a page's picture as JobService.scene does a scene's."""
        with of_stories(NO_PICTURE):
            found = await self._jobs.scene(owner, story_id, number, whole, on_damage)
        await self._check_is_story(story_id, NO_PICTURE)
        return found

    async def change_words(self, owner: str, story_id: str, number: int, change: PageChange) -> StoryState:
        """Change a page's texts, and nothing about its picture. Raises Refusal 404 and 507."""

        return await self._change(
            owner,
            story_id,
            lambda story: story.with_page(number, changed_page(page_of(story, number), change)),
        )

    async def change(self, owner: str, story_id: str, change: StoryChange) -> StoryState:
        """Change the title page or the order of a story. Raises Refusal 404 and 507, and InvalidRequest."""
        return await self._change(owner, story_id, lambda story: changed_story(story, change))

    async def _change(self, owner: str, story_id: str, changed: Callable[[Story], Story]) -> StoryState:
        for _ in range(ATTEMPTS):
            found = await self.find(owner, story_id)
            new = changed(found.story)
            check_letters(new.request, letters_of(found.story.request), "text")
            body = await off_loop(partial(story_store.StoryBody, new))

            def write(seen: story_store.KeptStory = found.kept, body: story_store.StoryBody = body) -> None:
                story_store.change(self._jobs.engine, owner, story_id, seen, body, self._jobs.budget())

            try:
                with refusals_in_words(self._config.jobs.max_waiting_scenes):
                    await self._jobs.in_thread(write)
            except story_store.Changed:
                continue
            return replace(found, kept=story_store.KeptStory(new, found.kept.version + 1, body.bytes))
        raise busy()

    async def changed(
        self, owner: str, story_id: str, number: int, change: RepaintRequest
    ) -> tuple[story_store.KeptStory, Story]:
        """Return a story as it is stored, and as it would be with one page changed for a repaint.

        Raises Refusal 404, and InvalidRequest if it was cancelled.
        """
        found = await self.find(owner, story_id)
        if found.job.cancelled:
            raise InvalidRequest(CANCELLED, "story_id")
        page = changed_page(page_of(found.story, number), change)
        if change.seed is None:
            page = page.model_copy(update={"seed": secrets.randbits(SEED_BITS)})
        new = found.story.with_page(number, page)
        check_letters(new.request, letters_of(found.story.request), "text")
        return found.kept, new

    async def scene(self, story: Story, number: int) -> SceneRequest:
        """Return the scene of one page. Raises InvalidRequest with the parameter's path in the page."""
        with of_pages(f"pages.{number}."):
            return await off_loop(lambda: scene_in_story(story, number, self._config))

    async def repaint(
        self,
        owner: str,
        story_id: str,
        number: int,
        seen: story_store.KeptStory,
        new: Story,
        key_id: str | None,
        pictures: Known = NONE,
    ) -> None:
        """Queue a page for repainting, stored durably when this returns. Other pages are not touched.

        Raises story_store.Changed if the story changed since it was `seen`, InvalidRequest if it was
        cancelled, and what submitting a job raises.
        """
        names = frozenset(picture.name for picture in pictures.values())
        most = self._config.jobs.max_waiting_scenes
        scene = await self.scene(new, number)
        with of_pages(f"pages.{number}."):
            beside = with_lora_files if name_loras([scene]) else off_loop
            kept = await beside(lambda: admit_one(scene, story_id, number, self._config, owner, pictures))
        body = await off_loop(lambda: story_store.StoryBody(new))

        def write() -> None:
            engine, budget = self._jobs.engine, self._jobs.budget()
            story_store.repaint(
                engine, owner, story_id, number, seen, body, kept, budget, most, key_id, names
            )

        try:
            with refusals_in_words(self._config.jobs.max_waiting_scenes):
                await self._jobs.in_thread(write)
        except story_store.Cancelled:
            raise InvalidRequest(CANCELLED, "story_id") from None

    async def _check_is_story(self, job_id: str, message: str) -> None:
        """Raise Refusal 404 with the message if a job is not a story."""
        if not await self._jobs.in_thread(lambda: story_store.is_story(self._jobs.engine, job_id)):
            raise Refusal(404, "not_found", message)
