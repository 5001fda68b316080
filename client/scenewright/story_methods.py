"""`client.stories`: books of 1 to 100 pages, for both clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

from . import story_calls as calls
from .choices import BookKind
from .responses import JobEvent
from .sessions import AsyncSession, Session
from .story_calls import Story

ENDED = ("succeeded", "failed", "cancelled")
POLL_S = 1.0


class Stories:
    """The stories of one service. Every method raises the same errors as the client's own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, idempotency_key: str | None = None, **story: Any) -> Story:
        """Submit a story: POST /v1/stories. `story` holds its fields, such as `title` and `pages`.

        Once this returns, the story is stored durably. A layer's `image` and `mask` may be files (a
        pathlib.Path or bytes), which are uploaded first.
        """
        return self._session._do(calls.create(self._session._uploaded(story), idempotency_key))

    def get(self, story_id: str) -> Story:
        """Return a story, and the progress of each page: GET /v1/stories/{id}."""
        return self._session._do(calls.find(story_id))

    def list(self, limit: int = 20, after: str | None = None, tenant: str | None = None) -> dict[str, Any]:
        """List stories: GET /v1/stories. Returns `data`, newest first, and `next`, the next `after`."""
        return self._session._do(calls.page(limit, after, tenant))

    def wait(self, story_id: str, poll_s: float = POLL_S) -> Story:
        """Return a story once all of its pages have ended."""
        while (story := self.get(story_id))["status"] not in ENDED:
            time.sleep(poll_s)
        return story

    def events(self, story_id: str) -> Generator[JobEvent, None, None]:
        """Yield each page as it ends, and the counts. A call after a lost connection misses nothing."""
        return self._session._follow(calls.events(story_id))

    def picture(self, story_id: str, index: int) -> tuple[bytes, str]:
        """Return a page's picture and its format: GET /v1/stories/{id}/pages/{index}, from 0."""
        return self._session._do(calls.picture(story_id, index))

    def repaint(self, story_id: str, index: int, **change: Any) -> Story:
        """Paint one page again, with the fields of `change`: POST /v1/stories/{id}/pages/{index}/repaint."""
        request = self._session._uploaded(change)
        return self._session._do(calls.repaint(story_id, index, request))

    def change_words(self, story_id: str, index: int, **words: Any) -> dict[str, Any]:
        """Change a page's `text` or `alt`; nothing is painted: PATCH /v1/stories/{id}/pages/{index}."""
        return self._session._do(calls.change(story_id, index, words))

    def change(self, story_id: str, **change: Any) -> Story:
        """Change the `title`, the `author` or the `order` of the books' pages: PATCH /v1/stories/{id}."""
        return self._session._do(calls.change_story(story_id, change))

    def book(self, story_id: str, kind: BookKind = "pdf", language: str | None = None) -> bytes:
        """Return a book as the bytes of its file: GET /v1/stories/{id}/book.pdf, .epub or .zip."""
        return self._session._do(calls.book(story_id, kind, language))

    def cancel(self, story_id: str) -> Story:
        """Cancel a story, or remove one that has ended, with its pictures: DELETE /v1/stories/{id}."""
        return self._session._do(calls.end(story_id))


class AsyncStories:
    """Stories with `await`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(self, idempotency_key: str | None = None, **story: Any) -> Story:
        """Submit a story: POST /v1/stories. `story` holds its fields, such as `title` and `pages`.

        Once this returns, the story is stored durably. A layer's `image` and `mask` may be files (a
        pathlib.Path or bytes), which are uploaded first.
        """
        request = await self._session._uploaded(story)
        return await self._session._do(calls.create(request, idempotency_key))

    async def get(self, story_id: str) -> Story:
        """Return a story, and the progress of each page: GET /v1/stories/{id}."""
        return await self._session._do(calls.find(story_id))

    async def list(
        self, limit: int = 20, after: str | None = None, tenant: str | None = None
    ) -> dict[str, Any]:
        """List stories: GET /v1/stories. Returns `data`, newest first, and `next`, the next `after`."""
        return await self._session._do(calls.page(limit, after, tenant))

    async def wait(self, story_id: str, poll_s: float = POLL_S) -> Story:
        """Return a story once all of its pages have ended."""
        while (story := await self.get(story_id))["status"] not in ENDED:
            await asyncio.sleep(poll_s)
        return story

    def events(self, story_id: str) -> AsyncGenerator[JobEvent, None]:
        """Yield each page as it ends, and the counts. A call after a lost connection misses nothing."""
        return self._session._follow(calls.events(story_id))

    async def picture(self, story_id: str, index: int) -> tuple[bytes, str]:
        """Return a page's picture and its format: GET /v1/stories/{id}/pages/{index}, from 0."""
        return await self._session._do(calls.picture(story_id, index))

    async def repaint(self, story_id: str, index: int, **change: Any) -> Story:
        """Paint one page again, with the fields of `change`: POST /v1/stories/{id}/pages/{index}/repaint."""
        request = await self._session._uploaded(change)
        return await self._session._do(calls.repaint(story_id, index, request))

    async def change_words(self, story_id: str, index: int, **words: Any) -> dict[str, Any]:
        """Change a page's `text` or `alt`; nothing is painted: PATCH /v1/stories/{id}/pages/{index}."""
        return await self._session._do(calls.change(story_id, index, words))

    async def change(self, story_id: str, **change: Any) -> Story:
        """Change the `title`, the `author` or the `order` of the books' pages: PATCH /v1/stories/{id}."""
        return await self._session._do(calls.change_story(story_id, change))

    async def book(self, story_id: str, kind: BookKind = "pdf", language: str | None = None) -> bytes:
        """Return a book as the bytes of its file: GET /v1/stories/{id}/book.pdf, .epub or .zip."""
        return await self._session._do(calls.book(story_id, kind, language))

    async def cancel(self, story_id: str) -> Story:
        """Cancel a story, or remove one that has ended, with its pictures: DELETE /v1/stories/{id}."""
        return await self._session._do(calls.end(story_id))
