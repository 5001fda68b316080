"""A story's texts may have megabytes, so they are processed off the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import func, select

from serve.api.known_pictures import InputPicture
from serve.api.layer_schema import PictureInput
from serve.config.service_config import ServiceConfig
from serve.routes import stories as routes
from serve.state.open_state import open_state
from serve.state.picture_tables import pictures
from serve.stories import kept_story, story_pictures, story_service
from serve.stories.kept_story import Story
from serve.stories.story_pictures import with_kept
from serve.stories.story_schema import StoryRequest
from tests.support.input_pictures import inline
from tests.support.story_requests import TINY, page
from tests.support.story_requests import story as a_story


def noting(threads: list[threading.Thread], work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work` with a note of the thread that runs it."""

    def noted(*given: Any) -> Any:
        threads.append(threading.current_thread())
        return work(*given)

    return noted


async def test_pictures_are_named_by_their_ids_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    inline, name = PictureInput(b64_json="YWJj"), "a" * 64
    figure = {"cast": "mira", "prompt": "walks", "image": {"b64_json": inline.b64_json}, **TINY}
    asked = Story(StoryRequest.model_validate(a_story(1) | {"pages": [page(characters=[figure])]}))
    threads = list[threading.Thread]()
    monkeypatch.setattr(story_pictures, "with_ids", noting(threads, story_pictures.with_ids))
    kept = await with_kept(asked, {inline: InputPicture(name=name, width=8, height=8)})
    assert kept.picture_ids() == {f"pic_{name}"}
    assert threads and threading.current_thread() not in threads
    assert await with_kept(kept, {}) is kept


async def test_a_repaint_that_others_are_before_leaves_no_picture(
    client: httpx.AsyncClient, config: ServiceConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = await client.post("/v1/stories", json=a_story(1))
    assert submitted.status_code == 202, submitted.text
    engine = open_state(config.state_folder, config.jobs)

    def kept() -> int:
        with engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(pictures)).scalar_one()

    def changed(*given: Any) -> None:
        raise story_service.story_store.Changed

    monkeypatch.setattr(story_service.story_store, "repaint", changed)
    before, image = kept(), BytesIO()
    Image.linear_gradient("L").rotate(33).save(image, "PNG")
    body = {"background": {"prompt": "a wood", "image": inline(image.getvalue()), **TINY}}
    answer = await client.post(f"/v1/stories/{submitted.json()['id']}/pages/0/repaint", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded"), answer.text
    assert kept() == before


async def test_a_long_story_is_answered_off_the_event_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {f"a{chr(97 + number)}": "b" * 10_000 for number in range(20)}
    threads = list[threading.Thread]()
    monkeypatch.setattr(routes, "whole", noting(threads, routes.whole))
    monkeypatch.setattr(kept_story, "as_json", noting(threads, kept_story.as_json))
    submitted = await client.post("/v1/stories", json=a_story(1) | {"pages": [page(text=long)]})
    assert submitted.status_code == 202, submitted.text
    address = f"/v1/stories/{submitted.json()['id']}"
    answer = await client.get(address)
    assert (answer.status_code, len(answer.json()["pages"][0]["text"])) == (200, 20)
    changed = await client.patch(f"{address}/pages/0", json={"alt": long})
    assert changed.status_code == 200, changed.text
    renamed = await client.patch(address, json={"title": "Another"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Another"), renamed.text
    listed = await client.get("/v1/stories?limit=1")
    assert (listed.status_code, listed.json()["data"][0]["title"]) == (200, "Another")
    assert len(threads) == 5 and threading.current_thread() not in threads
