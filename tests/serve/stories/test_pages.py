"""A page's scene: its cast, style, frame and seeds filled in."""

from __future__ import annotations

from typing import Any

import pytest

from serve.api.members import Member
from serve.api.schema import SceneRequest
from serve.stories.pages import scene_of, shown_in
from serve.stories.story_schema import StoryRequest
from serve.stories.texts import in_language, languages_of
from tests.support.local_service import simulated_config
from tests.support.story_requests import page, story

CONFIG = simulated_config()
MIRA = Member(name="mira", description="a girl in a red coat")


def scenes(body: dict[str, Any], **members: Member) -> list[SceneRequest]:
    request = StoryRequest.model_validate(body)
    return [scene_of(request, each, {"mira": MIRA, **members}, CONFIG) for each in request.pages]


def figures(scene: SceneRequest) -> list[tuple[str, int | None]]:
    return [(figure.prompt, figure.seed) for figure in scene.characters or ()]


def test_a_member_has_one_seed_in_the_whole_story() -> None:
    body = story(1) | {"pages": [page(words="runs"), page(words="waves"), page(seed=99)]}
    found = [figures(scene)[0] for scene in scenes(body)]
    assert [prompt for prompt, _ in found] == [
        "a girl in a red coat, runs",
        "a girl in a red coat, waves",
        "a girl in a red coat, walks",
    ]
    assert len({seed for _, seed in found}) == 1
    assert figures(scenes(body, mira=Member(name="mira", description="a", seed=5))[0]) == [("a, runs", 5)]
    assert figures(scenes(body | {"seed": 8})[0]) != [found[0]]


def test_the_same_words_have_the_same_seed_but_twice_on_a_page() -> None:
    body = story(1) | {"pages": [page(characters=["a wolf", "a wolf"]), page(characters=["a wolf"], seed=1)]}
    (one, two), (alone,) = map(figures, scenes(body))
    assert one[1] != two[1]
    assert alone[1] != one[1], "this page has a seed of its own"
    assert [scene.background.seed for scene in scenes(story(1))] == [scenes(story(1))[0].background.seed]


def test_a_layers_own_seed_stays() -> None:
    own = {"cast": "mira", "prompt": "runs", "seed": 3}
    scene = scenes(story(1) | {"pages": [page(characters=[own], background={"prompt": "a", "seed": 4})]})[0]
    assert (figures(scene)[0][1], scene.background.seed) == (3, 4)


def test_style_and_frame() -> None:
    style = {"prompt": "watercolour", "negative_prompt": "text"}
    pages = [page(merge={"width": 256}), page(background={"prompt": "a lake", "negative_prompt": "boats"})]
    first, second = scenes(story(1) | {"pages": pages, "style": style})
    assert figures(first)[0][0] == "a girl in a red coat, walks, watercolour"
    assert first.background.prompt == "a wood, watercolour"
    negative = str(first.background.negative_prompt)
    assert negative.startswith("people") and negative.endswith(", text")
    assert second.background.negative_prompt == "boats, text"
    assert (first.merge.width, first.merge.height) == (256, 64)
    assert (second.merge.width, second.merge.height) == (128, 64)


def test_what_a_picture_shows() -> None:
    request = StoryRequest.model_validate(story(1))
    assert shown_in(request.pages[0], {"mira": MIRA}) == "a girl in a red coat, walks; a wood, day 0"


@pytest.mark.parametrize(
    ("texts", "languages"),
    [
        (["a", "b"], ["en"]),
        (["", ""], ["en"]),
        ([{"en": "a", "de": "b"}, {"de": "c"}], ["de"]),
        ([{"en": "a", "de": "b"}, ""], ["en", "de"]),
        ([{"en": "a", "de": "b"}, "c"], ["en"]),
        ([{"de": "b"}, "c"], []),
    ],
)
def test_languages(texts: list[Any], languages: list[str]) -> None:
    assert languages_of(texts, "en") == languages
    for language in languages:
        assert all(in_language(text, language, "en") is not None for text in texts)
