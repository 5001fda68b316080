"""Refuse requests for stories, in terms of pages and stories instead of scenes and jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.errors import InvalidRequest

from ..http.error_responses import Refusal
from .kept_story import Story, letters_of
from .story_schema import StoryPage, StoryRequest

NO_STORY = "there is no such story"
NO_PAGE = "this story has no such page"
NO_PICTURE = "this story has no such page, or the page has no picture"
CANCELLED = "this story was cancelled, so none of its pages can be painted again"
MAX_LETTERS = 1_000_000


def page_of(story: Story, number: int) -> StoryPage:
    """Return a page. Raises Refusal 404."""
    if not 0 <= number < len(story.request.pages):
        raise Refusal(404, "not_found", NO_PAGE)
    return story.request.pages[number]


def check_letters(request: StoryRequest, before: int = 0, param: str = "pages") -> None:
    """Raise InvalidRequest if a story's texts are too long in total, and longer than `before`."""
    if letters_of(request) > max(before, MAX_LETTERS):
        message = (
            f"the texts of a story may have at most {MAX_LETTERS} characters, counted over all its languages"
        )
        raise InvalidRequest(message, param)


def busy() -> Refusal:
    return Refusal(429, "overloaded", "other requests are changing this story; try again", retry_after_s=1)


@contextmanager
def of_pages(relative_to: str = "") -> Iterator[None]:
    """Rename `scenes` to `pages` in the parameters of errors, and remove the prefix `relative_to`."""
    try:
        yield
    except InvalidRequest as error:
        param = str(error.param or "")
        if param == "scenes" or param.startswith("scenes."):
            param = f"pages{param.removeprefix('scenes')}"
        raise type(error)(error.message, param.removeprefix(relative_to) or None) from None


@contextmanager
def of_stories(message: str = NO_STORY) -> Iterator[None]:
    """Report a missing job as a missing story."""
    try:
        yield
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        raise Refusal(404, "not_found", message) from None
