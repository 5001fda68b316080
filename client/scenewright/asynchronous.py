"""The client for asyncio: scenewright.synchronous, with `await`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from itertools import count
from typing import Any, Self, TypeVar

import httpx

from . import calls
from .call import Call, Stream, Words
from .cast import AsyncCast
from .errors import ScenewrightError, ServerUnreachable
from .faults import in_our_words
from .http import Events, another_server, connection, is_stream, read_response, request_of
from .pictures import File, files_of, named, with_ids
from .responses import JobEvent, Layer, Scene, SceneEvent
from .retries import Retries
from .story_methods import AsyncStories

T = TypeVar("T")
JSON, EVENTS = "application/json", "text/event-stream"


class AsyncScenewright:
    """One service, over one pool of connections, which leaving an `async with` closes.

    Every method raises ScenewrightError and ServerUnreachable (scenewright.errors); making one, NotSent.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        timeout_s: float = 150.0,
        retries: Retries = Retries(),  # noqa: B008 (it is frozen)
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._way, options = connection(url, api_key, timeout_s)
        self.url = self._way.url
        self._timeout_s, self._retries = timeout_s, retries
        self.cast = AsyncCast(self._do)
        if transport is not None:
            options.pop("proxy", None)
        self._http = httpx.AsyncClient(transport=transport, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

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

    async def _uploaded(self, request: dict[str, Any]) -> dict[str, Any]:
        """Upload the picture files of a request's layers, and name them by their ids."""
        ids = {}
        for file, param in files_of(request).items():
            with named(param):
                ids[file] = (await self._do(calls.upload_picture(file, param)))["id"]
        return with_ids(request, ids)

    async def _do(self, call: Call[T]) -> T:
        async def attempt() -> T:
            return read_response(await self._send(call, JSON), call)

        return await self._persist(attempt, call.repeatable)

    async def _follow(self, stream: Stream[T]) -> AsyncGenerator[T, None]:
        """Yield a stream's events.

        Retried only until it begins: events that were sent cannot be sent again.
        """
        response = await self._persist(lambda: self._open(stream), stream.call.repeatable)
        events = Events(response, stream)
        try:
            with in_our_words(self._way):
                async for line in response.aiter_lines():
                    if (event := events.feed(line)) is not None:
                        yield event
        finally:
            await response.aclose()
        events.check_ended()

    async def _persist(self, attempt: Callable[[], Awaitable[T]], repeatable: bool) -> T:
        for tries in count(1):
            try:
                return await attempt()
            except (ScenewrightError, ServerUnreachable) as failure:
                wait_s = self._retries.wait_s(failure, tries, repeatable, random.random())  # noqa: S311
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _open(self, stream: Stream[T]) -> httpx.Response:
        response = await self._send(stream.call, EVENTS, stream=True)
        if not response.is_success:
            with in_our_words(self._way):
                await response.aread()
            read_response(response, stream.call)
        if not is_stream(response):
            await response.aclose()
            raise another_server(response)
        return response

    async def _send(self, call: Call[T], accept: str, stream: bool = False) -> httpx.Response:
        with in_our_words(self._way):
            request = request_of(self._http, call, accept, self._timeout_s)
            return await self._http.send(request, stream=stream)
