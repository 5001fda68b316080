"""Members of the cast in a request's layers: the fields that they fill in, and those that stay as sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from deployments.errors import InvalidRequest
from serve.api import members
from serve.api.cast_request import CastBody
from serve.api.known_pictures import InputPicture
from serve.api.layer_schema import CharacterRequest, LayerRequest, LoraInput, PictureInput
from serve.api.members import Member, cast_names, member_of, with_members
from serve.api.openai_generations import ImagesRequest
from serve.api.resolve import admit_layer
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig

FIRST, SECOND = PictureInput(id="pic_1"), PictureInput(id="pic_2")
MIRA = Member(
    name="mira", version=3, description="a girl,", references=(FIRST, SECOND), seed=7, negative_prompt="hats"
)
CONFIG = ServiceConfig()


def character(**layer: Any) -> CharacterRequest:
    return CharacterRequest.model_validate({"prompt": "waves", "cast": "mira", **layer})


def resolved(member: Member = MIRA, **layer: Any) -> CharacterRequest:
    return with_members(character(**layer), {"mira": member}, CONFIG)


def test_an_inline_member_reads_as_a_stored_one() -> None:
    body = CastBody.model_validate({"description": "a girl", "references": [{"b64_json": "AAAA"}], "seed": 1})
    member = member_of("mira", body)
    assert (member.name, member.version, member.references) == ("mira", 0, (PictureInput(b64_json="AAAA"),))
    kept = TypeAdapter(Member)
    assert kept.validate_json(kept.dump_json(member)) == member


def test_she_is_described_before_the_words() -> None:
    layer = resolved()
    assert layer.prompt == "a girl, waves"
    assert (layer.seed, layer.negative_prompt, layer.image, layer.strength) == (7, "hats", FIRST, None)
    assert layer.use is not None and (layer.use.name, layer.use.version) == ("mira", 3)
    assert layer.use.reference == FIRST and layer.use.starts
    assert resolved(replace(MIRA, description="")).prompt == "waves"


def test_the_layer_s_own_wins() -> None:
    own = {"seed": 0, "negative_prompt": "", "image": {"id": "pic_9"}, "strength": 0.3}
    layer = resolved(**own)
    assert (layer.seed, layer.negative_prompt, layer.strength) == (0, "", 0.3)
    assert layer.image == PictureInput(id="pic_9")
    assert layer.use is not None and not layer.use.starts and layer.use.reference == FIRST


def test_a_strength_is_how_far_it_goes_from_her() -> None:
    layer = resolved(strength=0.4)
    assert (layer.image, layer.strength) == (FIRST, 0.4)


def test_a_model_that_starts_from_no_picture_is_given_none() -> None:
    generator = CONFIG.character.generator
    model = replace(generator.model, painter="denoiser")
    settings = CONFIG.character.model_copy(update={"generator": replace(generator, model=model)})
    config = CONFIG.model_copy(update={"character": settings})
    layer = with_members(character(), {"mira": MIRA}, config)
    assert layer.image is None and layer.prompt == "a girl, waves"
    assert layer.use is not None and layer.use.reference == FIRST, "it is still compared with her"


def test_a_model_that_paints_by_references_is_given_all_of_hers(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = ("text_to_image", "image_to_image", "references")
    monkeypatch.setattr(members, "tasks_of", lambda model: tasks)
    layer = resolved()
    assert (layer.references, layer.image) == ([FIRST, SECOND], None)
    assert layer.use is not None and not layer.use.starts and layer.use.reference == FIRST
    own = resolved(references=[{"id": "pic_9"}])
    assert (own.references, own.image) == ([PictureInput(id="pic_9")], None)
    varied = resolved(image={"id": "pic_8"})
    assert (varied.references, varied.image) == ([FIRST, SECOND], PictureInput(id="pic_8"))


@pytest.mark.parametrize(
    ("source", "others"),
    [("Qwen/Qwen-Image-Edit-2509", [SECOND]), ("black-forest-labs/FLUX.1-Kontext-dev", None)],
)
def test_a_model_that_edits_edits_her_first_reference(source: str, others: list[PictureInput] | None) -> None:
    generator = CONFIG.character.generator
    model = replace(generator.model, source=source)
    settings = CONFIG.character.model_copy(update={"generator": replace(generator, model=model)})
    config = CONFIG.model_copy(update={"character": settings})
    layer = with_members(character(), {"mira": MIRA}, config)
    assert (layer.image, layer.references) == (FIRST, others)
    assert layer.use is not None and layer.use.starts
    known = {FIRST: InputPicture(name="1f" * 32, width=96, height=96)}
    known |= {SECOND: InputPicture(name="2f" * 32, width=96, height=96)}
    job = admit_layer("character", layer, config, "id", pictures=known)
    assert (job.image, job.reference) == ("1f" * 32, "1f" * 32)
    own = with_members(character(image={"id": "pic_9"}), {"mira": MIRA}, config)
    assert (own.image, own.references) == (PictureInput(id="pic_9"), None)


def test_her_loras_are_the_layer_s_unless_it_has_its_own() -> None:
    loras = (LoraInput(name="watercolor", scale=0.8),)
    member = replace(MIRA, loras=loras)
    assert resolved(member).loras == list(loras)
    assert resolved(member, loras=[{"name": "ink"}]).loras == [LoraInput(name="ink")]
    assert resolved(member, loras=[]).loras == [] and resolved().loras is None
    body = CastBody.model_validate({"loras": [{"name": "watercolor", "scale": 0.8}]})
    assert member_of("mira", body).loras == loras


def test_nothing_happens_twice() -> None:
    once = resolved()
    assert with_members(once, {"mira": replace(MIRA, version=4)}, CONFIG) == once


def test_every_layer_of_a_scene_is_resolved_by_its_path() -> None:
    mira = {"cast": "mira", "prompt": "waves"}
    scene = SceneRequest.model_validate({"characters": ["a fox", mira], "background": {**mira, "seed": 2}})
    assert cast_names(scene, "scenes.4.") == {
        "scenes.4.characters.1.cast": "mira",
        "scenes.4.background.cast": "mira",
    }
    whole = with_members(scene, {"mira": MIRA}, CONFIG)
    assert whole.characters is not None
    assert [each.prompt for each in whole.characters] == ["a fox", "a girl, waves"]
    assert (whole.background.prompt, whole.background.seed) == ("a girl, waves", 2)
    with pytest.raises(InvalidRequest) as refused:
        with_members(scene, {}, CONFIG, "scenes.4.")
    assert refused.value.param == "scenes.4.characters.1.cast"


def test_layers_alone_have_no_path() -> None:
    place = LayerRequest(prompt="a hill", cast="mira")
    assert cast_names(place) == {"cast": "mira"}
    assert with_members(place, {"mira": MIRA}, CONFIG).prompt == "a girl, a hill"


def test_she_is_still_known_in_what_openais_request_becomes() -> None:
    images = ImagesRequest.model_validate(
        {
            "prompt": "",
            "characters": [{"prompt": "waves", "cast": "mira"}, {"prompt": "a fox"}],
            "background": {"prompt": "y"},
            "negative_prompt": "rain",
            "n": 2,
        }
    )
    for number in range(2):
        scene = with_members(images, {"mira": MIRA}, CONFIG).to_request(number, CONFIG)
        assert isinstance(scene, SceneRequest) and scene.characters is not None
        mira, fox = scene.characters
        assert mira.use is not None and mira.use.version == 3 and fox.use is None
        assert (mira.prompt, mira.image, mira.seed) == ("a girl, waves", FIRST, 7)
        assert (mira.negative_prompt, fox.negative_prompt) == ("hats", "rain")
