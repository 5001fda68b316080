"""Advance books: send them to the service, and fetch their files. Nothing here waits for a painting."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection
from django.urls import reverse

from scenewright import InvalidRequest, NotFound, Scenewright, ScenewrightError, ServerUnreachable
from scenewright.story_agent import AgentSettings, BookPage, book_request
from storybook.models import Book
from storybook.story import STORY

log = logging.getLogger(__name__)
PAGES = [BookPage(page.words, page.character, page.background) for page in STORY]
FINAL = (InvalidRequest, NotFound)
"""Errors that another try would repeat."""
_background = ThreadPoolExecutor(1, thread_name_prefix="books")


def advance(book: Book, service: Scenewright) -> None:
    """Take a book as far as it can go now. A second call, even at the same time, repeats nothing.

    Raises ScenewrightError and ServerUnreachable if a later try may succeed.
    """
    try:
        if not book.story_id:
            request = book_request(book.title, PAGES) | _webhook(book)
            story = service.stories.create(idempotency_key=book.key.hex, **request)
            _set(book, story_id=story.id, status=Book.Status.PAINTING)
        if book.status == Book.Status.PAINTING:
            note_end(book, service.stories.get(book.story_id))
        if book.status == Book.Status.PAINTED:
            keep(book, service.stories.book(book.story_id, "pdf"))
    except FINAL as error:
        _set(book, status=Book.Status.FAILED, fault=str(error))


def note_end(book: Book, story: dict[str, Any]) -> None:
    """Record how a story has ended, if it has, as the service or its webhook reports it."""
    if story["status"] == "succeeded":
        _set(book, story_id=story["id"], status=Book.Status.PAINTED)
    elif story["status"] in ("failed", "cancelled"):
        fault = f"{story['failed']} of {story['total']} pages could not be painted"
        fault = fault if story["status"] == "failed" else "the story was cancelled at the service"
        _set(book, story_id=story["id"], status=Book.Status.FAILED, fault=fault)


def keep(book: Book, data: bytes) -> None:
    """Keep a book's file in the project's own storage, once."""
    name = book.file.storage.save(f"books/{book.key}.pdf", ContentFile(data))
    if not _set(book, file=name, status=Book.Status.READY):  # Another process was faster.
        book.file.storage.delete(name)


def advance_later(key: UUID) -> None:
    """Advance a book in the background. After a failure, `manage.py collect_books` tries again."""
    _background.submit(_advance_logged, key)


def _advance_logged(key: UUID) -> None:
    try:
        with AgentSettings.from_django().connect() as service:
            advance(Book.objects.get(key=key), service)
    except (ScenewrightError, ServerUnreachable) as error:
        log.warning("book %s has to be retried later: %s", key, error)
    except Exception:
        log.exception("book %s", key)
    finally:
        connection.close()  # Django closes only the connections of its requests.


def _webhook(book: Book) -> dict[str, Any]:
    if not settings.SCENEWRIGHT_WEBHOOK_SECRET:
        return {}
    return {"webhook": {"url": settings.PUBLIC_URL + reverse("book-ended", args=[book.key])}}


def _set(book: Book, **changes: Any) -> bool:
    """Write changes unless the book has ended by now. Return whether they were written."""
    unfinished = Book.objects.filter(key=book.key, status__in=Book.UNFINISHED)
    written = unfinished.update(**changes) == 1
    book.refresh_from_db()
    return written
