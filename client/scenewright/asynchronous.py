"""The asyncio client: scenewright.synchronous with `await`."""

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
    """A client of one service, over one connection pool, which leaving an `async with` closes.

    Every method raises ScenewrightError and ServerUnreachable (scenewright.errors). The constructor raises
    NotSent.
    """

    async def scene(
        self,
        character: Words | Sequence[Words],
        background: Words,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Scene:
        """Paint a scene: POST /v1/scenes. A list of one to four characters paints several figures.

        `options` are the request's other fields, such as `seed`, `merge` or `layers`. A layer's `image`,
        `mask` and `references`, and the `image` of its `pose`, may be files (a pathlib.Path or bytes), which
        are uploaded first. For a day, the same `idempotency_key` and request return the same response.
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
        """Yield the layers' queue positions and steps, then the Scene.

        Closing the generator stops the painting.
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
        """Merge picture files, given as paths or bytes: POST /v1/merges. The result has no seeds.

        Pass several characters as a list. The option `figures` gives the position of each.
        """
        return await self._do(calls.merge(character, background, options))

    async def scene_later(
        self,
        character: Words | Sequence[Words],
        background: Words,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Submit a scene as a job, and return the job at once: `Prefer: respond-async`.

        Use it behind a proxy that cuts connections that are silent for a minute. `job` returns its status,
        and `job_picture` its picture.
        """
        layers = await self._uploaded({"character": character, "background": background})
        return await self._do(calls.scene_later(**layers, options=options, key=idempotency_key))

    async def character_later(
        self, prompt: str, idempotency_key: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Submit a character as a job, as scene_later does."""
        options = await self._uploaded(options)
        return await self._do(calls.layer_later("character", prompt, options, idempotency_key))

    async def background_later(
        self, prompt: str, idempotency_key: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Submit a background as a job, as scene_later does."""
        options = await self._uploaded(options)
        return await self._do(calls.layer_later("background", prompt, options, idempotency_key))

    async def mint_token(
        self,
        ttl_s: float = 600.0,
        scopes: Sequence[str] = ("generate",),
        requests: int | None = None,
        megapixel_steps: float | None = None,
    ) -> dict[str, Any]:
        """Mint a short-lived token for a page in a browser: POST /v1/tokens. The token is shown only once.

        Returns `id`, `token`, `expires_at`, `scopes` and `budget`. None sets no bound for the token itself.
        """
        return await self._do(calls.mint_token(ttl_s, scopes, requests, megapixel_steps))

    async def upload_picture(self, file: File) -> dict[str, Any]:
        """Upload a picture to paint from, given as a path or bytes: POST /v1/pictures.

        Returns `id`, `width`, `height` and `expires_at`. This result, or `{"id": …}` alone, may be a layer's
        `image` or `mask`, or one of its `references`. The same picture always gets the same id.
        """
        return await self._do(calls.upload_picture(file))

    async def picture(self, picture_id: str) -> dict[str, Any]:
        """Return the same fields as upload_picture did: GET /v1/pictures/{id}."""
        return await self._do(calls.picture(picture_id))

    async def picture_file(self, picture_id: str) -> bytes:
        """Return an uploaded picture as the PNG file that the service keeps: GET /v1/pictures/{id}."""
        return await self._do(calls.picture_file(picture_id))

    async def delete_picture(self, picture_id: str) -> dict[str, Any]:
        """Remove an uploaded picture: DELETE /v1/pictures/{id}. Refused while a job needs it."""
        return await self._do(calls.delete_picture(picture_id))

    async def submit_job(
        self,
        scenes: Sequence[Mapping[str, Any]],
        idempotency_key: str | None = None,
        webhook_url: str | None = None,
    ) -> dict[str, Any]:
        """Submit scene requests, as dictionaries: POST /v1/jobs.

        Once this returns, the job is stored durably. `webhook_url` is notified when the job ends.
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

        An admin's key lists every tenant's jobs, or only those of `tenant`.
        """
        return await self._do(calls.jobs(limit, after, tenant))

    async def usage(
        self, since: str | None = None, until: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Return the usage of the key's tenant, by day and key: GET /v1/usage.

        `since` and `until` are days, such as 2026-11-29; the default is this month. `next` is present if
        there are more rows than fit in one response.
        """
        return await self._do(calls.usage(since, until, key))

    async def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Cancel a job, or remove one that has ended, with its pictures: DELETE /v1/jobs/{id}."""
        return await self._do(calls.cancel_job(job_id))

    async def release_job(self, job_id: str) -> dict[str, Any]:
        """Paint a job that is `held` because its key has ended: POST /v1/jobs/{id}/release."""
        return await self._do(calls.release_job(job_id))

    async def job_picture(self, job_id: str, index: int) -> tuple[bytes, str]:
        """Return a scene's file and its format: GET /v1/jobs/{id}/scenes/{index}."""
        return await self._do(calls.job_picture(job_id, index))

    def job_events(self, job_id: str) -> AsyncGenerator[JobEvent, None]:
        """Yield each scene as it ends, and the counts. A call after a lost connection misses nothing."""
        return self._follow(calls.job_events(job_id))

    @cached_property
    def cast(self) -> AsyncCast:
        """Heroes kept by name: `cast.add("mira", references=[…])`."""
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
        """Return why the service cannot paint yet, empty if it can: GET /readyz, without retries."""
        call = calls.readiness()
        try:
            read_response(await self._send(call, JSON), call)
        except ScenewrightError as error:
            if error.status != 503:
                raise
            return error.message
        return ""
