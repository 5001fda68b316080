"""Name the pictures that a story's layers and cast start from by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..api.known_pictures import Known
from ..api.layer_schema import PictureInput
from ..api.members import Member
from ..http.off_loop import off_loop
from ..pictures.picture_service import id_of
from .kept_story import Story, as_json
from .story_schema import StoryRequest


def of_cast(members: Mapping[str, Member]) -> list[tuple[str, PictureInput]]:
    """Return the pictures of a story's cast, each with its parameter's path."""
    return [
        (f"cast.{name}.references.{index}", picture)
        for name, member in members.items()
        for index, picture in enumerate(member.references)
    ]


def by_ids(known: Known) -> Known:
    """Return kept pictures by the ids with which a story names them."""
    return {PictureInput(id=id_of(picture.name)): picture for picture in known.values()}


def kept_ids(known: Known) -> dict[str, str]:
    """Return the ids of pictures that were sent inline in a request, by their base64."""
    return {
        asked.b64_json: id_of(picture.name) for asked, picture in known.items() if asked.b64_json is not None
    }


async def with_kept(story: Story, known: Known) -> Story:
    """Return a story whose pictures are all named by their ids."""
    ids = kept_ids(known)
    return await off_loop(lambda: _with_kept(story, ids)) if ids else story


def _with_kept(story: Story, ids: Mapping[str, str]) -> Story:
    request = StoryRequest.model_validate(with_ids(as_json(story.request), ids))
    request = request.model_copy(update={"webhook": story.request.webhook})
    members = {
        name: replace(member, references=tuple(_by_id(each, ids) for each in member.references))
        for name, member in story.members.items()
    }
    return replace(story, request=request, members=members)


def _by_id(picture: PictureInput, ids: Mapping[str, str]) -> PictureInput:
    found = ids.get(picture.b64_json or "")
    return picture if found is None else PictureInput(id=found)


def with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    """Return JSON with each inline picture replaced by its id, which `ids` maps from its base64."""
    if isinstance(value, list):
        return [with_ids(each, ids) for each in value]
    if not isinstance(value, dict):
        return value
    inline = value.get("b64_json")
    if isinstance(inline, str) and inline in ids:
        return {"id": ids[inline]}
    return {name: with_ids(each, ids) for name, each in value.items()}
