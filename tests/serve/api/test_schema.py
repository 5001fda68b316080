from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from serve.api.layer_schema import CharacterRequest, LayerRequest
from serve.api.scene_schema import SceneRequest
from serve.http.error_responses import first_fault

SCENE: dict[str, Any] = {"character": "a knight", "background": "a castle"}


def fault(**changes: Any) -> tuple[str | None, str]:
    with pytest.raises(ValidationError) as raised:
        SceneRequest.model_validate(
            {key: value for key, value in (SCENE | changes).items() if value is not ...}
        )
    error = first_fault(raised.value)
    return error.param, error.message


def test_two_words_are_a_scene() -> None:
    scene = SceneRequest.model_validate(SCENE)
    assert (scene.character.prompt, scene.background.prompt) == ("a knight", "a castle")
    assert scene.character.enhance_prompt
    assert (scene.enhance, scene.attribution, scene.layers, scene.fallback) == (False, False, False, "reduce")
    assert (scene.seed, scene.deadline_s) == (None, 120.0)
    merge = scene.merge
    assert (merge.scale, merge.harmonize, merge.shadow, merge.contrast) == (1.0, 0.55, True, None)


def test_the_documented_example_is_a_scene() -> None:
    scene = SceneRequest.model_validate(
        {
            "character": "a knight in silver armor",
            "background": {
                "prompt": "a castle at sunset",
                "negative_prompt": "people",
                "num_inference_steps": 20,
                "guidance_scale": 6.0,
                "seed": 123,
                "width": 512,
                "height": 384,
                "enhance_prompt": True,
                "model": None,
            },
            "seed": 42,
            "merge": {
                "mode": "auto",
                "position": "right",
                "width": 1024,
                "height": 512,
                "scale": 1.0,
                "harmonize": 0.55,
                "shadow": True,
                "contrast": 1.0,
            },
            "enhance": False,
            "attribution": False,
            "layers": False,
            "fallback": "reduce",
            "output": {"format": "jpeg", "quality": 95},
            "deadline_s": 120,
        }
    )
    assert (scene.background.seed, scene.seed, scene.merge.contrast) == (123, 42, 1.0)


def test_the_other_names() -> None:
    layer = LayerRequest.model_validate({"prompt": "a", "steps": 3, "cfg_scale": 2})
    assert (layer.num_inference_steps, layer.guidance_scale) == (3, 2.0)
    assert CharacterRequest.model_validate({"prompt": "a", "cutout": True}).cutout


@pytest.mark.parametrize(
    ("name", "alias"), [("num_inference_steps", "steps"), ("guidance_scale", "cfg_scale")]
)
def test_both_names_of_one_thing_are_refused(name: str, alias: str) -> None:
    param, message = fault(character={"prompt": "a", name: 3, alias: 4})
    assert param == "character"
    assert message == f"character: {alias} is another name for {name}: give only one of them"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"character": ...}, "character"),
        ({"background": ...}, "background"),
        ({"character": 5}, "character"),
        ({"character": None}, "character"),
        ({"character": ["a"]}, "character"),
        ({"character": {}}, "character.prompt"),
        ({"character": ""}, "character.prompt"),
        ({"character": " \t\n\u3000"}, "character.prompt"),
        ({"background": {"prompt": "a", "widht": 64}}, "background.widht"),
        ({"background": {"prompt": "a", "width": "64"}}, "background.width"),
        ({"background": {"prompt": "a", "width": 64.0}}, "background.width"),
        ({"background": {"prompt": "a", "width": True}}, "background.width"),
        ({"background": {"prompt": "a", "enhance_prompt": 1}}, "background.enhance_prompt"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**53}, "seed"),
        ({"seed": 10**299}, "seed"),
        ({"seed": "42"}, "seed"),
        ({"merge": []}, "merge"),
        ({"merge": {"mode": "collage"}}, "merge.mode"),
        ({"merge": {"position": "top"}}, "merge.position"),
        ({"merge": {"scale": 0}}, "merge.scale"),
        ({"merge": {"harmonize": 1.5}}, "merge.harmonize"),
        ({"merge": {"colour": 1}}, "merge.colour"),
        ({"fallback": "pray"}, "fallback"),
        ({"output": {"format": "gif"}}, "output.format"),
        ({"output": {"quality": 101}}, "output.quality"),
        ({"layers": "yes"}, "layers"),
        ({"prompt": "a"}, "prompt"),
    ],
)
def test_what_is_refused_and_which_field_is_named(changes: dict[str, Any], param: str) -> None:
    named, message = fault(**changes)
    assert named == param
    assert message.startswith(param)
    assert not any(name in message for name in ("Layer", "Request", "Merge", "pydantic", "instance"))


def test_what_the_messages_say() -> None:
    assert fault(character=...)[1] == "character is required"
    assert fault(tone="dark")[1] == "tone is not a known field"
    assert fault(merge=3)[1] == "merge must be an object"
    assert fault(character=" ")[1] == "character.prompt: must not be blank"


def test_the_wire_has_no_bounds_of_its_own_beside_a_services_limits() -> None:
    layer = LayerRequest.model_validate({"prompt": "a", "width": 99_999, "steps": 10**30})
    assert (layer.width, layer.num_inference_steps) == (99_999, 10**30)
