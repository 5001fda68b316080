"""Refuse what a caller asks of a story, in the words of stories where a job's would name its scenes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.errors import InvalidRequest

from ..http.error_responses import Refusal
from .kept_story import Story, letters_of
from .story_schema import StoryPage, StoryRequest

NO_STORY = "there is no such story"
NO_PAGE = "this story has no such page"
NO_PICTURE = "this story has no such page, or no picture of it"
CANCELLED = "this story was cancelled, and no page of it is painted again"
MAX_LETTERS = 1_000_000


def page_of(story: Story, number: int) -> StoryPage:
    """Return a page. Raises Refusal 404."""
    if not 0 <= number < len(story.request.pages):
        raise Refusal(404, "not_found", NO_PAGE)
    return story.request.pages[number]


def check_letters(request: StoryRequest, before: int = 0, param: str = "pages") -> None:
    """Raise InvalidRequest where a story's texts are too long in all, and longer than `before`."""
    if letters_of(request) > max(before, MAX_LETTERS):
        message = f"the texts of a story may have {MAX_LETTERS} characters in all, in all its languages"
        raise InvalidRequest(message, param)


def busy() -> Refusal:
    return Refusal(429, "overloaded", "this story is being changed by others", retry_after_s=1)


@contextmanager
def of_pages(relative_to: str = "") -> Iterator[None]:
    """Name the parameters of scenes as those of a story's pages; without the start that a body lacks."""
    try:
        yield
    except InvalidRequest as error:
        param = str(error.param or "")
        if param == "scenes" or param.startswith("scenes."):
            param = f"pages{param.removeprefix('scenes')}"
        raise type(error)(error.message, param.removeprefix(relative_to) or None) from None


@contextmanager
def of_stories(message: str = NO_STORY) -> Iterator[None]:
    """Say of a job that is not there that it is a story that is not there."""
    try:
        yield
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        raise Refusal(404, "not_found", message) from None
