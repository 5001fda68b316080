"""Make a book for a Django project: its story from the project's settings, and the webhook at the end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from standardwebhooks import Webhook

from scenewright.story_agent import AgentSettings, BookPage, NotGenuine, book_request, read_webhook
from serve.stories.story_schema import StoryRequest
from serve.webhooks.secrets import PREFIX

PAGES = [BookPage("A knight sets out.", "a knight", "a castle"), BookPage("Home.", "a knight", "a meadow")]
SECRET = PREFIX + "c2NlbmV3cmlnaHQtc2NlbmV3cmlnaHQ="
OTHER_SECRET = PREFIX + "b3RoZXItb3RoZXItb3RoZXItb3RoZXI="
ENDED = {"type": "story.ended", "data": {"id": "6f", "status": "succeeded"}}
BODY = json.dumps(ENDED).encode()
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"STABLE_DIFFUSION_CONFIG": {"default_steps": 3, "default_guidance": 7.0, "max_resolution": 384}},
        {"IMAGE_MERGE_CONFIG": {"target_size": (512, 256), "character_position": "left", "quality": 80}},
        {"IMAGE_MERGE_CONFIG": {"blend_mode": "alpha"}},
    ],
    ids=str,
)
def test_a_book_has_the_settings_of_the_project(settings: dict[str, Any]) -> None:
    agent = AgentSettings.from_django(SimpleNamespace(**settings))
    story = StoryRequest.model_validate(book_request("The knight", PAGES, agent))
    assert [page.text for page in story.pages] == ["A knight sets out.", "Home."]
    for page in story.pages:
        (figure,) = page.characters
        assert not isinstance(figure, str) and not isinstance(page.background, str)
        assert (figure.prompt, figure.position) == ("a knight", agent.merging.position)
        assert figure.num_inference_steps == page.background.num_inference_steps == agent.num_inference_steps
        assert page.merge.mode == agent.merging.mode
    assert (story.frame.width, story.frame.height) == (agent.merging.width, agent.merging.height)
    assert story.output.quality == agent.merging.quality


def headers_of(body: bytes, secret: str = SECRET, ago: timedelta = timedelta()) -> dict[str, str]:
    at = datetime.now(UTC) - ago
    signature = Webhook(secret).sign("msg_1", at, body.decode())
    timestamp = str(int(at.timestamp()))
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": timestamp, "Webhook-Signature": signature}


def test_an_event_is_read_whichever_of_two_secrets_signed_it_too() -> None:
    body = json.dumps(ENDED).encode()
    headers = headers_of(body)
    event = read_webhook(body, headers, SECRET)
    assert (event.id, event.type, event.data) == ("msg_1", "story.ended", ENDED["data"])
    other = headers_of(body, OTHER_SECRET)["Webhook-Signature"]
    both = headers | {"Webhook-Signature": f"{other} {headers['Webhook-Signature']}"}
    assert read_webhook(body, both, SECRET) == event


@pytest.mark.parametrize(
    ("body", "signed"),
    [
        (BODY.replace(b"6f", b"70"), {}),
        (b"\xff" + BODY, {}),
        (BODY, {"secret": OTHER_SECRET}),
        (BODY, {"ago": HOUR}),
        (BODY, {"ago": -HOUR}),
    ],
)
def test_what_the_service_did_not_sign_now_is_refused(body: bytes, signed: dict[str, Any]) -> None:
    with pytest.raises(NotGenuine):
        read_webhook(body, headers_of(BODY, **signed), SECRET)


@pytest.mark.parametrize(
    "changed",
    [
        {"Webhook-Id": "msg_2"},
        {"Webhook-Timestamp": "now"},
        {"Webhook-Timestamp": "inf"},
        {"Webhook-Signature": "v1"},
        {"Webhook-Signature": "v1,a"},
        {"Webhook-Signature": "v1,\u00e9"},
        {"Webhook-Signature": "v2,1,2"},
    ],
)
def test_changed_headers_are_refused(changed: dict[str, str]) -> None:
    headers = headers_of(BODY)
    assert read_webhook(BODY, headers, SECRET)
    with pytest.raises(NotGenuine):
        read_webhook(BODY, headers | changed, SECRET)


def test_a_request_without_headers_is_refused() -> None:
    with pytest.raises(NotGenuine):
        read_webhook(BODY, {}, SECRET)
