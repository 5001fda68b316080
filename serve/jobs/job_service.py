"""Serve jobs to their callers: admit, keep, look up. Blocking work runs in threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine, Select

from deployments.errors import InvalidRequest
from deployments.messages import PictureFormat

from ..api.known_pictures import NONE, Known, as_unread
from ..api.layer_schema import PictureInput
from ..api.loras import with_lora_files
from ..api.scene_schema import SceneRequest
from ..auth.token_cache import TokenBudget
from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..http.off_loop import off_loop
from ..pictures import loose_pictures as loose
from ..pictures.in_thread import in_thread
from ..pictures.picture_files import Pictures, open_pictures
from ..state.disk_space import DiskSpace
from ..state.open_state import open_state
from ..state.storage_budget import StorageBudget
from ..webhooks.targets import Forbidden, check_url
from .job_admission import Beside, BudgetSpent, refusals_in_words
from .job_ids import NO_JOB, Result, check_job_id, cursor_of, found_job, new_job_id, place_of
from .job_schema import JobRequest
from .job_store import JobStore
from .kept_scenes import KeptScenes, OnDamage, ignore
from .open_work import OpenJob, open_jobs
from .scene_jobs import admit_all, name_loras
from .single_layers import SingleLayerRequest
from .states import ENDED, JobState, NewScene, SceneState


@dataclass(frozen=True)
class Alone:
    """The work of one request as a job. The response is sent before anything is painted."""

    scenes: Sequence[SceneRequest | SingleLayerRequest]
    webhook: None = None


class JobService:
    """The jobs of a service. Its database opens with the first job: an edge without jobs needs no folder.

    Methods raise NotReady if that fails.

    An owner of None is an admin, who lists, sees, ends and releases all jobs.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config

    @cached_property
    def _store(self) -> JobStore:
        return JobStore(open_state(self._config.state_folder, self._config.jobs))

    @cached_property
    def _pictures(self) -> Pictures:
        return open_pictures(self._config.jobs.pictures_place(self._config.state_folder))

    @cached_property
    def kept_scenes(self) -> KeptScenes:
        """Return the reader of kept pictures. Call it in a thread: opening a store blocks and may raise."""
        return KeptScenes(self._store, self._pictures, self._config.jobs.max_repaints)

    @cached_property
    def _disk(self) -> DiskSpace:
        return DiskSpace(self._config.jobs, self._config.state_folder)

    async def submit(
        self,
        owner: str,
        requested: JobRequest | Alone,
        digest: str,
        key: str | None,
        key_id: str | None = None,
        pictures: Known = NONE,
        beside: Beside | None = None,
        budget: TokenBudget | None = None,
    ) -> JobState:
        """Submit a job. It is stored durably when this returns.

        `pictures` are those that its scenes start from, `beside` is a row to store with it, and `budget`
        belongs to the token that it was submitted with.

        Raises InvalidRequest, Overloaded, and Refusal 401, 429 and 507.
        """
        job_id, url = new_job_id(), self._webhook_url(requested)
        scenes = await _admitting(requested)(
            lambda: admit_all(requested.scenes, job_id, self._config, owner, pictures)
        )
        names = frozenset(picture.name for picture in pictures.values())
        token_id = None if budget is None else budget.token.id
        most = self._config.jobs.max_waiting_scenes

        def keep() -> JobState:
            _ = self._pictures  # If no picture can be kept, accept no job.
            to_keep = scenes, None, digest, key, most, key_id, self.budget(), url, names, beside, token_id
            state = self._store.counts(owner, self._store.submit(job_id, owner, *to_keep))
            assert state is not None  # noqa: S101 (it was committed a line ago)
            return state

        try:
            with refusals_in_words(most):
                return await self.in_thread(keep)
        except BudgetSpent as spent:
            assert budget is not None  # noqa: S101 (no other has a budget)
            raise budget.spent("megapixel-steps", spent.amount) from None

    async def would_submit(
        self,
        owner: str,
        requested: JobRequest | Alone,
        digest: str,
        key: str | None,
        key_id: str | None,
        pictures: Collection[PictureInput],
    ) -> JobState | None:
        """Refuse a job that `submit` would refuse whatever its pictures are, before any of them is read.

        Returns the earlier job with the same key and body, if there is one. Raises what `submit` raises.
        """
        self._webhook_url(requested)
        scenes = await _admitting(requested)(
            lambda: admit_all(requested.scenes, "", self._config, owner, as_unread(pictures))
        )
        most = self._config.jobs.max_waiting_scenes

        def look() -> JobState | None:
            earlier = self._store.would_submit(owner, scenes, digest, key, most, key_id, self.budget())
            return self._store.counts(owner, earlier) if earlier else None

        with refusals_in_words(most):
            return await self.in_thread(look)

    async def earlier(self, owner: str, digest: str, key: str | None) -> JobState | None:
        """Return the job that was submitted with the same key and body, if there is one."""

        def look() -> JobState | None:
            job_id = self._store.earlier(owner, key, digest)
            return self._store.counts(owner, job_id) if job_id else None

        with refusals_in_words(self._config.jobs.max_waiting_scenes):
            return await self.in_thread(look)

    def _webhook_url(self, requested: JobRequest | Alone) -> str | None:
        """Return the URL that a job's end is reported to. Raises InvalidRequest if it is not allowed."""
        if requested.webhook is None:
            return None
        try:
            check_url(requested.webhook.url, self._config.webhooks)
        except Forbidden as error:
            raise InvalidRequest(f"webhook.url {error}", "webhook.url") from None
        return requested.webhook.url

    def budget(self) -> StorageBudget:
        """Return the storage budget of one tenant."""
        settings = self._config.jobs
        return StorageBudget(settings.max_stored_bytes, settings.max_stored_scenes, self._disk.left_bytes())

    async def job(self, owner: str | None, job_id: str) -> JobState:
        """Return a job. Raises Refusal 404."""
        check_job_id(job_id)
        return found_job(await self.in_thread(lambda: self._store.job(owner, job_id)))

    async def check_reach(self, owner: str, job_id: str, key_id: str) -> None:
        """Raise Refusal 404 unless a token of this key submitted the job."""
        check_job_id(job_id)
        if not await self.in_thread(lambda: self._store.is_of_tokens(owner, job_id, key_id)):
            raise Refusal(404, "not_found", NO_JOB)

    async def open_jobs(self, owners: Collection[str]) -> dict[str, OpenJob]:
        """Return the jobs of these owners that have not ended. Raises NotReady."""
        return await self.in_thread(lambda: open_jobs(self._store.engine, owners))

    async def release(self, owner: str | None, job_id: str) -> JobState:
        """Release a job that is held because its key has ended. Raises Refusal 404."""
        check_job_id(job_id)
        return found_job(await self.in_thread(lambda: self._store.release(owner, job_id)))

    async def end(self, owner: str | None, job_id: str) -> JobState:
        """Cancel a job, or remove one that has ended with its pictures. Raises Refusal 404."""
        check_job_id(job_id)
        return found_job(await self.in_thread(lambda: self._end(owner, job_id)))

    def _end(self, owner: str | None, job_id: str) -> JobState | None:
        found = self._store.counts(owner, job_id)
        if found is None or found.status not in ENDED:
            return self._store.cancel(owner, job_id)
        # The pictures first: if the store fails, the job still exists for another request.
        noted = self._store.note_pictures(owner, job_id)
        try:
            for token in noted:
                loose.tidy(self._store.engine, token, self._pictures.drop, leaving=job_id)
        except OSError:
            loose.forget(self._store.engine, noted)
            raise
        # Once more, for pictures that were about to be kept for another scene, and then were not.
        removed = self._store.remove(owner, job_id)
        for token in removed or ():
            with suppress(OSError):  # The note stays, and a worker finds it.
                loose.tidy(self._store.engine, token, self._pictures.drop)
        return None if removed is None else found

    async def page(
        self,
        owner: str | None,
        limit: int,
        after: str | None,
        among: Select[tuple[str]] | None = None,
    ) -> tuple[list[JobState], str | None]:
        """Return a page of jobs and the cursor of the next one. `among` limits it to the ids it selects."""
        place = None if after is None else place_of(after)
        found = await self.in_thread(lambda: self._store.page(owner, limit + 1, place, among))
        page = found[:limit]
        return page, cursor_of(page[-1]) if len(found) > limit else None

    async def scene(
        self, owner: str, job_id: str, number: int, whole: bool, on_damage: OnDamage = ignore
    ) -> tuple[SceneState, bytes, PictureFormat | None]:
        """Return a scene's picture and format, as KeptScenes.read does."""
        return await self.in_thread(lambda: self.kept_scenes.read(owner, job_id, number, whole, on_damage))

    @property
    def engine(self) -> Engine:
        """Return the database. Call it in a thread: opening the database blocks and may raise."""
        return self._store.engine

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Run blocking work in a thread. Raises NotReady and Refusal 507."""
        return await in_thread(work, "jobs")


def _admitting(
    requested: JobRequest | Alone,
) -> Callable[[Callable[[], list[NewScene]]], Awaitable[list[NewScene]]]:
    """Return the function that runs an admission off the event loop. A LoRA's file may take long."""
    return with_lora_files if name_loras(requested.scenes) else off_loop
