"""What a Django project needs for a book: its story in the project's settings, and the webhook at its end."""

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
ENDED = {"type": "story.ended", "data": {"id": "6f", "status": "succeeded"}}
NOW = datetime.now(UTC)


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


def headers_of(body: bytes, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", at, body.decode())
    timestamp = str(int(at.timestamp()))
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": timestamp, "Webhook-Signature": signature}


def test_an_event_is_read_whichever_of_two_secrets_signed_it_too() -> None:
    body = json.dumps(ENDED).encode()
    headers = headers_of(body)
    event = read_webhook(body, headers, SECRET)
    assert (event.id, event.type, event.data) == ("msg_1", "story.ended", ENDED["data"])
    other = headers_of(body, PREFIX + "b3RoZXItb3RoZXItb3RoZXItb3RoZXI=")["Webhook-Signature"]
    both = headers | {"Webhook-Signature": f"{other} {headers['Webhook-Signature']}"}
    assert read_webhook(body, both, SECRET) == event


BODY = json.dumps(ENDED).encode()
SIGNED = headers_of(BODY)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, {}),
        (BODY.replace(b"6f", b"70"), SIGNED),
        (b"\xff" + BODY, SIGNED),
        (BODY, headers_of(BODY, PREFIX + "b3RoZXItb3RoZXItb3RoZXItb3RoZXI=")),
        (BODY, headers_of(BODY, at=NOW - timedelta(hours=1))),
        (BODY, headers_of(BODY, at=NOW + timedelta(hours=1))),
        (BODY, SIGNED | {"Webhook-Id": "msg_2"}),
        (BODY, SIGNED | {"Webhook-Timestamp": "now"}),
        (BODY, SIGNED | {"Webhook-Timestamp": "inf"}),
        (BODY, SIGNED | {"Webhook-Signature": "v1"}),
        (BODY, SIGNED | {"Webhook-Signature": "v1,a"}),
        (BODY, SIGNED | {"Webhook-Signature": "v1,\u00e9"}),
        (BODY, SIGNED | {"Webhook-Signature": "v2,1,2"}),
    ],
)
def test_what_the_service_did_not_sign_is_refused(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(NotGenuine):
        read_webhook(body, headers, SECRET)
