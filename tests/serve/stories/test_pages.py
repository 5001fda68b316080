"""A page's scene: its cast, style, frame and seeds filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.errors import InvalidRequest
from deployments.messages import MAX_LORAS
from serve.api.cast_request import CastBody
from serve.api.layer_schema import Layer
from serve.api.members import Member, member_of
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from serve.stories.pages import scene_of, shown_in
from serve.stories.story_schema import StoryRequest
from serve.stories.texts import in_language, languages_of
from tests.support.local_service import simulated_config
from tests.support.lora_files import UNET, write_lora
from tests.support.story_requests import page, story

CONFIG = simulated_config()
MIRA = Member(name="mira", description="a girl in a red coat")


def scenes(body: dict[str, Any], **members: Member) -> list[SceneRequest]:
    request = StoryRequest.model_validate(body)
    return [scene_of(request, each, {"mira": MIRA, **members}, CONFIG) for each in request.pages]


def figures(scene: SceneRequest) -> list[tuple[str, int | None]]:
    return [(figure.prompt, figure.seed) for figure in scene.characters or ()]


def test_a_member_has_one_seed_in_the_whole_story() -> None:
    body = story(1) | {"pages": [page(words="runs"), page(words="waves"), page()]}
    found = [figures(scene)[0] for scene in scenes(body)]
    assert [prompt for prompt, _ in found] == [
        "a girl in a red coat, runs",
        "a girl in a red coat, waves",
        "a girl in a red coat, walks",
    ]
    assert len({seed for _, seed in found}) == 1
    assert figures(scenes(body, mira=Member(name="mira", description="a", seed=5))[0]) == [("a, runs", 5)]
    assert figures(scenes(body | {"seed": 8})[0]) != [found[0]]


@pytest.mark.parametrize("mira", [MIRA, Member(name="mira", description="a girl in a red coat", seed=5)])
def test_a_page_with_a_seed_of_its_own_shows_another_hero(mira: Member) -> None:
    """All seeds of the page change."""
    pages = [page(), page(seed=99), page(seed=99), page(seed=98)]
    found = [figures(scene)[0] for scene in scenes(story(1) | {"pages": pages}, mira=mira)]
    assert len({prompt for prompt, _ in found}) == 1
    seeds = [seed for _, seed in found]
    assert seeds[1] == seeds[2] and len({*seeds}) == 3
    own = page(characters=[{"cast": "mira", "prompt": "runs", "seed": 3}], seed=99)
    assert figures(scenes(story(1) | {"pages": [own]}, mira=mira)[0])[0][1] == 3


def test_a_place_that_is_in_the_cast_has_the_page_s_seed_too() -> None:
    mill = Member(name="mill", description="an old mill", seed=5)
    place = {"cast": "mill", "prompt": "at night"}
    pages = [page(background=place), page(background=place, seed=9)]
    first, second = scenes(story(1) | {"pages": pages}, mill=mill)
    assert first.background.seed == 5 != second.background.seed


def test_the_same_words_have_the_same_seed_but_twice_on_a_page() -> None:
    body = story(1) | {"pages": [page(characters=["a wolf", "a wolf"]), page(characters=["a wolf"], seed=1)]}
    (one, two), (alone,) = map(figures, scenes(body))
    assert one[1] != two[1]
    assert alone[1] != one[1], "the second page has a seed of its own"
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


def test_a_page_is_enhanced_alone() -> None:
    body = story(1) | {"pages": [page(enhance=True), page()]}
    assert [scene.enhance for scene in scenes(body)] == [True, False]


def test_a_style_adds_no_negative_words_where_quality_terms_are_off() -> None:
    """A layer has only the request's own negative words with `quality_terms` off."""
    layers = {
        kind: {"generator": {"model": {"source": f"storybook-{kind}"}, "quality_terms": False}}
        for kind in ("character", "background")
    }
    config = ServiceConfig.model_validate(layers)
    request = StoryRequest.model_validate(story(1) | {"style": {"negative_prompt": "text"}})
    scene = scene_of(request, request.pages[0], {"mira": MIRA}, config)
    assert {layer.negative_prompt for layer in (scene.background, *(scene.characters or ()))} == {"text"}


def styled_with_loras(tmp_path: Path, style: list[Any], **more: Any) -> SceneRequest:
    """Return a story's page; the figures' model has LoRAs, and the places' model has none."""
    for name in ("ink", "wash"):
        write_lora(tmp_path, name, seed=len(name))
    dora: dict[str, Any] = {f"{UNET}.dora_scale": np.zeros(4, np.float32)}
    write_lora(tmp_path, "dora", **dora)
    model = {"source": "storybook-character", "lora_folder": str(tmp_path)}
    config = ServiceConfig.model_validate({"character": {"generator": {"model": model}}})
    loras = [{"name": each} if isinstance(each, str) else each for each in style]
    request = StoryRequest.model_validate(story(1) | {"style": {"loras": loras}} | more)
    members = {"mira": MIRA, **{name: member_of(name, as_body(each)) for name, each in request.cast.items()}}
    return scene_of(request, request.pages[0], members, config)


def as_body(member: str | CastBody) -> CastBody:
    assert isinstance(member, CastBody)
    return member


def figures_in(scene: SceneRequest) -> list[Layer]:
    return [*(scene.characters or ())]


def loras_in(layer: Layer) -> list[tuple[str, float]]:
    return [(lora.name, lora.scale) for lora in layer.loras or ()]


def test_the_loras_of_a_style_and_of_a_member(tmp_path: Path) -> None:
    plain = styled_with_loras(tmp_path, ["ink"])
    hero = figures_in(plain)[0]
    assert (loras_in(hero), plain.background.loras) == ([("ink", 1.0)], None)
    mira = {"description": "a girl", "loras": [{"name": "wash", "scale": 0.5}]}
    hero = figures_in(styled_with_loras(tmp_path, ["ink", "wash"], cast={"mira": mira}))[0]
    assert loras_in(hero) == [("wash", 0.5), ("ink", 1.0)]
    hero = figures_in(styled_with_loras(tmp_path, [], cast={"mira": mira}))[0]
    assert loras_in(hero) == [("wash", 0.5)]


@pytest.mark.parametrize(
    ("style", "more", "param"),
    [
        (["mist"], {}, "style.loras.0.name"),
        (["ink", "dora"], {}, "style.loras.1.name"),
        (["ink", "ink"], {}, "style.loras.1.name"),
        (
            ["ink"],
            {"cast": {"mira": {"loras": [{"name": f"a{n}"} for n in range(MAX_LORAS)]}}},
            "characters.0.loras",
        ),
    ],
)
def test_loras_of_a_style_that_are_refused(
    tmp_path: Path, style: list[Any], more: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        styled_with_loras(tmp_path, style, **more)
    assert raised.value.param == param


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
