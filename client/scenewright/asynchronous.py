"""The client for asyncio: scenewright.synchronous, with `await`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import Any

from . import calls
from .call import Words
from .cast import AsyncCast
from .errors import ScenewrightError
from .http import read_response
from .pictures import File
from .responses import JobEvent, Layer, Scene, SceneEvent
from .sessions import JSON, AsyncSession
from .story_methods import AsyncStories


class AsyncScenewright(AsyncSession):
    """One service, over one pool of connections, which leaving an `async with` closes.

    Every method raises ScenewrightError and ServerUnreachable (scenewright.errors); making one, NotSent.
    """

    async def scene(
        self,
        character: Words | Sequence[Words],
        background: Words,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Scene:
        """Paint a scene: POST /v1/scenes. A list of one to four characters paints several figures.

        `options` are its other fields, such as `seed`, `merge` or `layers`. A layer's `image`, `mask`
        and `references`, and the `image` of its `pose`, may be files, as a pathlib.Path or bytes: they are
        uploaded first. The same `idempotency_key` and request mean the same answer for a day.
        """
        layers = await self._uploaded({"character": character, "background": background})
        return await self._do(calls.scene(**layers, options=options, key=idempotency_key))

    async def scene_events(
        self,
        character: Words | Sequence[Words],
        background: Words,
        previews: int = 3,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> AsyncGenerator[SceneEvent, None]:
        """Yield both layers' places in the queue, their steps, then the Scene.

        Closing it stops the painting.
        """
        layers = await self._uploaded({"character": character, "background": background})
        stream = calls.scene_stream(**layers, previews=previews, options=options, key=idempotency_key)
        async with aclosing(self._follow(stream)) as events:
            async for event in events:
                yield event

    async def character(self, prompt: str, **options: Any) -> Layer:
        """Paint a character: POST /v1/characters."""
        return await self._do(calls.layer("character", prompt, await self._uploaded(options)))

    async def background(self, prompt: str, **options: Any) -> Layer:
        """Paint a background: POST /v1/backgrounds."""
        return await self._do(calls.layer("background", prompt, await self._uploaded(options)))

    async def merge(self, character: File | Sequence[File], background: File, **options: Any) -> Scene:
        """Merge two files, or their bytes: POST /v1/merges. The answer knows no seeds.

        Several characters are a list; `figures` of the options says where each of them stands.
        """
        return await self._do(calls.merge(character, background, options))

    async def scene_later(
        self,
        character: Words | Sequence[Words],
        background: Words,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Have a scene painted as a job, and return that at once: `Prefer: respond-async`.

        For where a proxy cuts off what is silent for a minute. `job` follows it, `job_picture` fetches it.
        """
        layers = await self._uploaded({"character": character, "background": background})
        return await self._do(calls.scene_later(**layers, options=options, key=idempotency_key))

    async def character_later(
        self, prompt: str, idempotency_key: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Have a character painted as a job, as scene_later does."""
        options = await self._uploaded(options)
        return await self._do(calls.layer_later("character", prompt, options, idempotency_key))

    async def background_later(
        self, prompt: str, idempotency_key: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Have a background painted as a job, as scene_later does."""
        options = await self._uploaded(options)
        return await self._do(calls.layer_later("background", prompt, options, idempotency_key))

    async def mint_token(
        self,
        ttl_s: float = 600.0,
        scopes: Sequence[str] = ("generate",),
        requests: int | None = None,
        megapixel_steps: float | None = None,
    ) -> dict[str, Any]:
        """Mint a short-lived token for a page in a browser: POST /v1/tokens. It is shown this once.

        Returns `id`, `token`, `expires_at`, `scopes` and `budget`. None is no bound of its own.
        """
        return await self._do(calls.mint_token(ttl_s, scopes, requests, megapixel_steps))

    async def upload_picture(self, file: File) -> dict[str, Any]:
        """Upload a picture to paint from, by its path or its bytes: POST /v1/pictures.

        Returns `id`, `width`, `height` and `expires_at`. All of it, or the id as `{"id": …}`, may be a
        layer's `image` or `mask`, or one of its `references`. The same picture has the same id.
        """
        return await self._do(calls.upload_picture(file))

    async def picture(self, picture_id: str) -> dict[str, Any]:
        """Return what uploading a picture returned: GET /v1/pictures/{id}."""
        return await self._do(calls.picture(picture_id))

    async def picture_file(self, picture_id: str) -> bytes:
        """Return an uploaded picture as the PNG file that is kept: GET /v1/pictures/{id}."""
        return await self._do(calls.picture_file(picture_id))

    async def delete_picture(self, picture_id: str) -> dict[str, Any]:
        """Remove an uploaded picture: DELETE /v1/pictures/{id}. One that a job waits for is refused."""
        return await self._do(calls.delete_picture(picture_id))

    async def submit_job(
        self,
        scenes: Sequence[Mapping[str, Any]],
        idempotency_key: str | None = None,
        webhook_url: str | None = None,
    ) -> dict[str, Any]:
        """Submit scene requests, as dictionaries: POST /v1/jobs.

        When this returns, the job is kept for good. Its end is told to `webhook_url`.
        """
        request = await self._uploaded({"scenes": scenes})
        return await self._do(calls.submit_job(request["scenes"], idempotency_key, webhook_url))

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return a job's status, counts and scenes: GET /v1/jobs/{id}."""
        return await self._do(calls.job(job_id))

    async def jobs(
        self, limit: int = 20, after: str | None = None, tenant: str | None = None
    ) -> dict[str, Any]:
        """List jobs: GET /v1/jobs. Returns `data`, newest first, and `next`, the `after` of the next page.

        An admin's key lists every tenant's, or those of the `tenant`.
        """
        return await self._do(calls.jobs(limit, after, tenant))

    async def usage(
        self, since: str | None = None, until: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Return what the key's tenant has used, by day and key: GET /v1/usage.

        `since` and `until` are days, such as 2026-11-29; else it is this month. `next` is given where there
        are more rows than one answer has.
        """
        return await self._do(calls.usage(since, until, key))

    async def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Cancel a job, or remove one that has ended, with its pictures: DELETE /v1/jobs/{id}."""
        return await self._do(calls.cancel_job(job_id))

    async def release_job(self, job_id: str) -> dict[str, Any]:
        """Have a job painted that is `held` since its key has ended: POST /v1/jobs/{id}/release."""
        return await self._do(calls.release_job(job_id))

    async def job_picture(self, job_id: str, index: int) -> tuple[bytes, str]:
        """Return a scene's file and its format: GET /v1/jobs/{id}/scenes/{index}."""
        return await self._do(calls.job_picture(job_id, index))

    def job_events(self, job_id: str) -> AsyncGenerator[JobEvent, None]:
        """Yield each scene as it ends, and the counts. Called again after a break, it misses nothing."""
        return self._follow(calls.job_events(job_id))

    @cached_property
    def cast(self) -> AsyncCast:
        """Heroes under their names: `cast.add("mira", references=[…])`."""
        return AsyncCast(self._do)

    @cached_property
    def stories(self) -> AsyncStories:
        """Books of 1 to 100 pages: `stories.create(title=…, pages=[…])`."""
        return AsyncStories(self)

    async def models(self) -> list[dict[str, Any]]:
        """List the models: GET /v1/models."""
        return await self._do(calls.models())

    async def ready(self) -> bool:
        """Return whether the service can paint."""
        return not await self.unready_reason()

    async def unready_reason(self) -> str:
        """Return why the service cannot paint yet, empty when it can: GET /readyz, once."""
        call = calls.readiness()
        try:
            read_response(await self._send(call, JSON), call)
        except ScenewrightError as error:
            if error.status != 503:
                raise
            return error.message
        return ""
