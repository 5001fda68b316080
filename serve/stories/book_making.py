"""Make books from stories: in threads, fairly between tenants, each in a temporary folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any, Literal

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady, Overloaded, ScenewrightError
from deployments.merge_work import MEGA
from deployments.messages import PictureFormat
from deployments.queueing.work_queue import QueuedThreads, QueuedWork

from ..api.cast_request import CastBody
from ..api.members import Member
from ..books.book import Book, Page
from ..books.book_fonts import Fonts
from ..books.psd import Figure
from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..jobs.job_service import JobService
from ..pictures.holds import story_holder
from .book_files import BookFile, BookFiles, Making
from .book_texts import alt_text, book_language, book_texts, chosen_fonts
from .kept_story import Story, as_json
from .story_refusals import NO_PICTURE, page_of
from .story_service import StoryService
from .story_store import StoryState

Kind = Literal["pdf", "epub", "zip"]
MEDIA_TYPES: Mapping[Kind, str] = {
    "pdf": "application/pdf",
    "epub": "application/epub+zip",
    "zip": "application/zip",
}
MEMORY_BYTES = 512 << 20
PAGE_BYTES = 4 << 20
"""Approximate bytes of a page while its book is made: its picture as a file, and decoded."""
PIXEL_BYTES = 4
PLACES = 16
WAITING = ("queued", "running")
AGAIN_S = 5.0
NO_LAYERS = "this page has no layers: its story was requested with `layers` false"
PSD = "image/vnd.adobe.photoshop"
LONGEST_NAME = 60
BUSY = "too many books of this tenant are being made; try again shortly"


class StoryBooks:
    """Make books: `max_making` at once, of which one tenant gets all but one at most, and at least one."""

    def __init__(self, config: ServiceConfig, jobs: JobService, stories: StoryService) -> None:
        self._config = config
        self._jobs = jobs
        self._stories = stories
        self._fonts = Fonts(config.books.fonts)
        self._files = BookFiles()
        self._queue = QueuedThreads(config.books.max_making, MEMORY_BYTES, PLACES)

    def megapixels(self, story: Story, number: int | None = None) -> float:
        """Return the megapixels to read and write for a book, or for one page. Raises Refusal 404."""
        merge, frame = self._config.merge, story.request.frame
        width, height = frame.width or merge.width, frame.height or merge.height
        every = [story.request.pages[each] for each in story.in_books()]
        pages = every if number is None else [page_of(story, number)]
        sizes = [(page.merge.width or width, page.merge.height or height) for page in pages]
        return story.request.output.upscale**2 * sum(width * height for width, height in sizes) / MEGA

    async def ready(self, owner: str, story_id: str, language: str | None) -> tuple[StoryState, str]:
        """Return a story that is ready for a book, and the book's language.

        Raises Refusal 404 if a page has no picture, and InvalidRequest for a language that the story lacks.
        """
        state = await self._stories.find(owner, story_id)
        for number in state.story.in_books():
            scene = state.job.scenes[number]
            waits = scene.status in WAITING
            if scene.was_kept and not (waits and scene.picture):
                continue
            why = "is being painted again" if scene.picture else "is not painted yet"
            if scene.error is not None:
                why = f"could not be painted ({scene.error['message']}); paint it again"
            elif scene.status == "cancelled":
                why = "was cancelled"
            raise Refusal(404, "not_found", f"there is no book yet: page {scene.number} {why}")
        return state, book_language(state.story, language)

    async def make(self, owner: str, state: StoryState, language: str, kind: Kind) -> BookFile:
        """Make a book. Raises Refusal, NotReady, and InvalidRequest, which names a text without a font."""

        def write(making: Making) -> None:
            if kind == "zip":
                self._write_zip(owner, state, making)
            else:
                self._write_book(owner, state, language, kind, making)

        return await self._made(
            owner, state, self.megapixels(state.story), f"book.{kind}", MEDIA_TYPES[kind], write
        )

    def check_psd(self, state: StoryState, number: int) -> None:
        """Raise Refusal 404 if a page has no picture or no layers."""
        page_of(state.story, number)
        if not state.job.scenes[number].was_kept:
            raise Refusal(404, "not_found", NO_PICTURE)
        if not state.story.request.layers:
            raise Refusal(404, "not_found", NO_LAYERS)

    async def make_psd(self, owner: str, state: StoryState, number: int) -> BookFile:
        """Make a PSD of a page's layers. Raises NotReady, and Refusal 404 if it has no layers."""
        page = page_of(state.story, number)
        figures = [
            Figure(figure.cast or figure.prompt[:LONGEST_NAME], figure.depth) for figure in page.characters
        ]

        def write(making: Making) -> None:
            from ..books.psd import write_psd

            data, kind = self._page(owner, state, number, whole=True)
            if kind is not None:
                raise Refusal(404, "not_found", NO_LAYERS)
            write_psd(json.loads(data), figures, making.file)

        return await self._made(owner, state, self.megapixels(state.story, number), "page.psd", PSD, write)

    async def _made(
        self,
        owner: str,
        state: StoryState,
        cost: float,
        name: str,
        media_type: str,
        write: Callable[[Making], None],
    ) -> BookFile:
        """Queue the writing of a file in a separate folder. It stops once its caller has left."""
        memory = max(len(state.job.scenes) * PAGE_BYTES, int(cost * PIXEL_BYTES * MEGA))
        work, left = QueuedWork(owner, cost, memory), Event()

        def make() -> BookFile | Exception:
            with self._files.making(owner, name, left) as making:
                try:
                    write(making)
                    return making.opened(media_type)
                except (Refusal, ScenewrightError, SQLAlchemyError, OSError) as error:
                    return error

        try:
            made = await self._queue.run(work, make)
        except Overloaded as full:
            raise Overloaded(BUSY, retry_after_s=full.retry_after_s) from None
        except asyncio.CancelledError:
            left.set()
            raise

        def unwrap() -> BookFile:
            if isinstance(made, Exception):
                raise made
            return made

        return await self._jobs.in_thread(unwrap)

    def _write_book(self, owner: str, state: StoryState, language: str, kind: Kind, making: Making) -> None:
        from ..books.epub import write_epub
        from ..books.pdf import write_pdf

        texts = book_texts(state.story, language)
        fonts = chosen_fonts(self._fonts, texts, language)
        pictures = [
            making.add(f"page-{number}", self._page(owner, state, number, whole=False)[0])
            for number in state.story.in_books()
        ]
        title, author, *told = texts.values()
        pages = [
            Page(text, alt_text(state.story, number, language), picture)
            for number, text, picture in zip(state.story.in_books(), told, pictures, strict=True)
        ]
        book = Book(state.job.id, title, pages, language, author, state.job.created_at)
        (write_pdf if kind == "pdf" else write_epub)(book, fonts, making.file, making.between)

    def _write_zip(self, owner: str, state: StoryState, making: Making) -> None:
        from ..books.archive import write_zip

        def kept_files() -> Iterator[bytes]:
            for number in state.story.in_books():
                making.between()
                yield self._page(owner, state, number, whole=True)[0]

        def inputs() -> Iterator[tuple[str, bytes]]:
            holder = story_holder(state.job.id)
            for picture_id in sorted(state.story.picture_ids()):
                making.between()
                yield picture_id, self._jobs.kept_scenes.input_file(holder, owner, picture_id)

        write_zip(sent_again(state.story), kept_files(), inputs(), making.file)

    def _page(
        self, owner: str, state: StoryState, number: int, whole: bool
    ) -> tuple[bytes, PictureFormat | None]:
        """Return the kept file of a page as in `state`. Raises NotReady if it is being repainted, or was."""
        scene, data, kind = self._jobs.kept_scenes.read(owner, state.job.id, number, whole)
        if scene.status in WAITING or scene.picture != state.job.scenes[number].picture:
            raise NotReady(f"page {number} is being painted again", retry_after_s=AGAIN_S)
        return data, kind


def sent_again(story: Story) -> dict[str, Any]:
    """Return the request that makes a story again: pages in the order of its books, and its cast inline."""
    request = as_json(story.request)
    request["pages"] = [request["pages"][number] for number in story.in_books()]
    if story.members:
        request["cast"] = {name: _inline(member) for name, member in story.members.items()}
    return request


def _inline(member: Member) -> dict[str, Any]:
    """Return a member in the form of a story's inline cast."""
    given = {name: getattr(member, name) for name in CastBody.model_fields}
    lists = {name: list(value) for name, value in given.items() if isinstance(value, tuple)}
    body = CastBody.model_validate(given | lists)
    return body.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
