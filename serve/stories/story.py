"""A story as it is kept: its request, and its cast as it was when the story was submitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from ..api.input_pictures import named_pictures
from ..api.members import Member
from .story_schema import PageChange, RepaintRequest, StoryPage, StoryRequest

_MEMBERS = TypeAdapter(dict[str, Member])


@dataclass(frozen=True)
class Story:
    """A request whose seed is set, and whose pictures are named by their ids; `members`: who is in it."""

    request: StoryRequest
    members: Mapping[str, Member] = field(default_factory=dict)

    def named_members(self) -> set[str]:
        """Return the names of the members of the cast that its pages paint."""
        layers = [layer for page in self.request.pages for layer in (*page.characters, page.background)]
        return {layer.cast for layer in layers if layer.cast is not None}

    def picture_ids(self) -> set[str]:
        """Return the ids of the pictures that its layers and its cast start from, and of no others.

        They are taken from their own fields: in a map of languages, `id` is Indonesian.
        """
        layers = [layer for page in self.request.pages for layer in (*page.characters, page.background)]
        named = [picture for layer in layers for _, picture in named_pictures(layer)]
        named += [picture for member in self.members.values() for picture in member.references]
        return {picture.id for picture in named if picture.id is not None}

    def with_page(self, number: int, page: StoryPage) -> Story:
        """Return the story with another page in the place of one."""
        pages = list(self.request.pages)
        pages[number] = page
        return replace(self, request=self.request.model_copy(update={"pages": pages}))


def changed_page(page: StoryPage, change: RepaintRequest | PageChange) -> StoryPage:
    """Return a page with what a change gives in the place of what it had."""
    given = {name: getattr(change, name) for name in type(change).model_fields}
    return page.model_copy(update={name: value for name, value in given.items() if value is not None})


def as_json(request: StoryRequest) -> dict[str, Any]:
    """Return a request as it could be sent: what its caller left out is left out."""
    return request.model_dump(mode="json", exclude_none=True, exclude_unset=True, exclude={"webhook"})


def dumped(story: Story) -> str:
    """Return a story as it is kept in the database."""
    kept = {
        "request": as_json(story.request),
        "members": _MEMBERS.dump_python(dict(story.members), mode="json"),
    }
    return json.dumps(kept, ensure_ascii=False)


def loaded(body: str) -> Story:
    kept = json.loads(body)
    return Story(StoryRequest.model_validate(kept["request"]), _MEMBERS.validate_python(kept["members"]))


def with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    """Return JSON whose inline pictures are named by their ids, which `ids` holds by their base64."""
    if isinstance(value, list):
        return [with_ids(each, ids) for each in value]
    if not isinstance(value, dict):
        return value
    inline = value.get("b64_json")
    if isinstance(inline, str) and inline in ids:
        return {"id": ids[inline]}
    return {name: with_ids(each, ids) for name, each in value.items()}
