"""Build every call of `/v1/stories` as a value, as calls.py does."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .call import (
    JSON,
    Call,
    Stream,
    checked_header,
    checked_query,
    listed,
    nothing,
    path_segment,
    picture_of,
    with_fields,
)
from .choices import BookKind
from .encoding import encoded
from .errors import not_sent
from .responses import JobEvent

BOOK_TIMEOUT_S = 600.0
"""Making a long book may have to wait its turn, and its file is large."""
KINDS = ("pdf", "epub", "zip")


class Story(dict[str, Any]):
    """A story's fields, as the service reports them. `id` is also an attribute."""

    @property
    def id(self) -> str:
        return str(self["id"])


def create(story: Mapping[str, Any], key: str | None) -> Call[Story]:
    """Return the call that submits a story.

    Without a key it makes one, so that the call can be repeated after a lost response.
    """
    headers = {**JSON, "Idempotency-Key": checked_header("idempotency_key", key or uuid.uuid4().hex)}
    return Call("POST", "/v1/stories", _summary, {"content": encoded(story)}, headers, repeatable=True)


def find(story_id: str) -> Call[Story]:
    return Call("GET", _story(story_id), _whole, repeatable=True)


def page(limit: int, after: str | None, tenant: str | None) -> Call[dict[str, Any]]:
    given = {name: value for name, value in (("after", after), ("tenant", tenant)) if value is not None}
    query = checked_query(limit=limit, **given)
    return Call("GET", "/v1/stories", listed, {"params": query}, repeatable=True)


def end(story_id: str) -> Call[Story]:
    # Not repeatable: the first call cancels the story, and a second would remove it.
    return Call("DELETE", _story(story_id), _summary)


def repaint(story_id: str, index: int, change: Mapping[str, Any]) -> Call[Story]:
    # With a seed, a second request paints the same picture as the first.
    content = {"content": encoded(change)}
    path = f"{_page(story_id, index)}/repaint"
    return Call("POST", path, _summary, content, JSON, repeatable=change.get("seed") is not None)


def change_story(story_id: str, change: Mapping[str, Any]) -> Call[Story]:
    content = {"content": encoded(change)}
    return Call("PATCH", _story(story_id), _whole, content, JSON, repeatable=True)


def change(story_id: str, index: int, words: Mapping[str, Any]) -> Call[dict[str, Any]]:
    content = {"content": encoded(words)}
    return Call("PATCH", _page(story_id, index), _page_state, content, JSON, repeatable=True)


def picture(story_id: str, index: int) -> Call[tuple[bytes, str]]:
    return Call("GET", _page(story_id, index), picture_of, repeatable=True)


def book(story_id: str, kind: BookKind, language: str | None) -> Call[bytes]:
    if kind not in KINDS:
        raise not_sent(f"kind must be one of {', '.join(KINDS)}", "kind")

    def read(response: httpx.Response) -> bytes:
        if not response.headers.get("content-type", "").startswith("application/"):
            raise ValueError("not a book")
        return response.content

    query = {} if language is None else {"params": checked_query(language=language)}
    path = f"{_story(story_id)}/book.{kind}"
    return Call("GET", path, read, query, {"Accept": "*/*"}, at_least_s=BOOK_TIMEOUT_S, repeatable=True)


def events(story_id: str) -> Stream[JobEvent]:
    call = Call("GET", f"{_story(story_id)}/events", nothing, repeatable=True)
    return Stream(call, lambda name, data, headers: JobEvent(name, data), "story.ended")


def _story(story_id: str) -> str:
    name = path_segment(story_id, "story_id must be the id of a story", "story_id")
    return f"/v1/stories/{name}"


def _page(story_id: str, index: int) -> str:
    number = quote(str(checked_query(index=index)["index"]), "")
    return f"{_story(story_id)}/pages/{number}"


def _summary(response: httpx.Response) -> Story:
    return Story(with_fields(response.json(), id=str, status=str))


def _whole(response: httpx.Response) -> Story:
    return Story(with_fields(response.json(), id=str, status=str, pages=list))


def _page_state(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), index=int, status=str)
