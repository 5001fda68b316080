"""A stored story: its request, and its cast as it was when the story was submitted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from deployments.errors import InvalidRequest

from ..api.members import Member
from .story_schema import PageChange, RepaintRequest, StoryChange, StoryPage, StoryRequest

_MEMBERS = TypeAdapter(dict[str, Member])
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_TITLE_START = '{"request": {"title": '
TITLE_END_CHARS = 32 << 10
"""A stored story's title ends within this many characters: 300 in each of 32 languages, all escaped."""


@dataclass(frozen=True)
class Story:
    """A request with its seed set and its pictures named by their ids. `members` are its cast."""

    request: StoryRequest
    members: Mapping[str, Member] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    """The pages of its books, if a caller chose them. They keep their numbers."""

    def in_books(self) -> Sequence[int]:
        """Return the numbers of the pages in its books, in their order."""
        return self.order or range(len(self.request.pages))

    def named_members(self) -> set[str]:
        """Return the names of the members of the cast that its pages paint."""
        layers = [layer for page in self.request.pages for layer in (*page.characters, page.background)]
        return {layer.cast for layer in layers if layer.cast is not None}

    def picture_ids(self) -> set[str]:
        """Return the ids of the pictures that its layers and its cast start from, and of no others.

        Only the fields of pictures are read: in a map of languages, `id` is Indonesian.
        """
        layers = [layer for page in self.request.pages for layer in (*page.characters, page.background)]
        named = [picture for layer in layers for _, picture in layer.named_pictures()]
        named += [picture for member in self.members.values() for picture in member.references]
        return {picture.id for picture in named if picture.id is not None}

    def with_page(self, number: int, page: StoryPage) -> Story:
        """Return the story with one page replaced."""
        pages = list(self.request.pages)
        pages[number] = page
        return replace(self, request=self.request.model_copy(update={"pages": pages}))


def changed_page(page: StoryPage, change: RepaintRequest | PageChange) -> StoryPage:
    """Return a page with the fields that a change gives replaced."""
    given = {name: getattr(change, name) for name in type(change).model_fields}
    return page.model_copy(update={name: value for name, value in given.items() if value is not None})


def changed_story(story: Story, change: StoryChange) -> Story:
    """Return a story with a new title page or order. Raises InvalidRequest for a missing or repeated page."""
    given = {name: getattr(change, name) for name in ("title", "author")}
    update = {name: value for name, value in given.items() if value is not None}
    changed = replace(story, request=story.request.model_copy(update=update))
    if change.order is None:
        return changed
    pages = len(story.request.pages)
    for place, number in enumerate(change.order):
        if number >= pages:
            raise InvalidRequest(f"this story has no page {number}", f"order.{place}")
        if number in change.order[:place]:
            raise InvalidRequest(f"page {number} is listed twice", f"order.{place}")
    return replace(changed, order=tuple(change.order))


def letters_of(request: StoryRequest) -> int:
    """Return the number of characters in the texts of its pages, in all languages."""
    texts = [text for page in request.pages for text in (page.text, page.alt or "")]
    return sum(len(each) for text in texts for each in ([text] if isinstance(text, str) else text.values()))


def as_json(request: StoryRequest) -> dict[str, Any]:
    """Return a request as JSON to send again, without its webhook and the fields that its caller left out."""
    return request.model_dump(mode="json", exclude_none=True, exclude_unset=True, exclude={"webhook"})


def dumped(story: Story) -> str:
    """Return a story as JSON text for the database."""
    kept: dict[str, Any] = {
        "request": as_json(story.request),
        "members": _MEMBERS.dump_python(dict(story.members), mode="json"),
    }
    if story.order:
        kept["order"] = story.order
    return "".join(_ENCODER.iterencode(kept))  # In steps: the C encoder does it all in one call.


def loaded(body: str) -> Story:
    kept = json.loads(body)
    request = StoryRequest.model_validate(kept["request"])
    return Story(request, _MEMBERS.validate_python(kept["members"]), tuple(kept.get("order", ())))


def title_at_start(start: str) -> str | dict[str, str]:
    """Return a stored story's title, which is its first field, from the first TITLE_END_CHARS characters."""
    title: str | dict[str, str] = json.JSONDecoder().raw_decode(start, len(_TITLE_START))[0]
    return title
