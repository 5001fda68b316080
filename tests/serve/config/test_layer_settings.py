"""A layer's models in the configuration: the list, the names, the environment."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from serve.config.layer_settings import find_model, layer_defaults
from serve.config.model_names import deployment_names
from serve.config.service_config import ServiceConfig

SD1 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SCHNELL = "black-forest-labs/FLUX.1-schnell"


def model(source: str, **settings: Any) -> dict[str, Any]:
    return {"generator": {"model": {"source": source}}, **settings}


def configured(*models: dict[str, Any], **layer: Any) -> ServiceConfig:
    return ServiceConfig.model_validate({"character": {**layer, "models": list(models)}})


def sources(config: ServiceConfig) -> list[str]:
    return [each.generator.model.source for each in config.character.by_model.values()]


def test_the_first_of_models_is_the_default() -> None:
    gpus = {"num_gpus": 1, "num_replicas": 2}
    config = configured(model(SDXL, replicas=gpus, defaults={"guidance_scale": 5.0}), model(SCHNELL))
    assert list(config.character.by_model) == ["", SCHNELL]
    assert list(config.generators) == ["character", f"character:{SCHNELL}", "background"]
    assert config.character.generator.model.source == SDXL
    assert (config.character.replicas.num_gpus, config.character.replicas.num_replicas) == (1, 2)
    assert config.generators[f"character:{SCHNELL}"].replicas.num_gpus == 0


def test_further_models_may_stand_beside_the_layers_own() -> None:
    config = configured(model(SCHNELL), **model(SDXL, defaults={"num_inference_steps": 30}))
    assert sources(config) == [SDXL, SCHNELL]
    found = find_model(config.character, None)
    assert found is not None
    assert layer_defaults("character", found[1]).num_inference_steps == 30


def test_each_model_has_the_defaults_of_its_own_family() -> None:
    config = configured(model(SD1), model(SCHNELL))
    first, other = (layer_defaults("character", each) for each in config.character.by_model.values())
    assert (first.num_inference_steps, first.guidance_scale, first.width) == (25, 7.5, 384)
    assert (other.num_inference_steps, other.guidance_scale, other.width) == (4, 0.0, 768)


def test_the_settings_survive_being_written_down() -> None:
    config = configured(model(SD1), model(SDXL), model(SCHNELL))
    assert ServiceConfig.model_validate(config.model_dump()) == config
    assert ServiceConfig.model_validate_json(config.model_dump_json()) == config
    assert config.with_environment({}) == config


@pytest.mark.parametrize(
    ("layer", "place", "words"),
    [
        ({"models": []}, "character", "at least one model"),
        ({"models": [model("a")], "replicas": {}}, "character", "replicas belongs to a single model"),
        ({"models": [model("a")], "defaults": {}}, "character", "defaults belongs to a single model"),
        ({"models": [model("a"), model("a")]}, "character", "two of its models are called a"),
        (
            {"models": [model("runwayml/stable-diffusion-v1-5"), model(SD1)]},
            "character",
            f"two of its models are called {SD1}",
        ),
        (
            {"models": [model("a"), model("b", defaults={"width": -1})]},
            "character.models.1.defaults.width",
            "greater than",
        ),
        ({"models": [{"generator": {}}]}, "character.models.0.generator.model", "required"),
        (
            {"models": [model("a"), model("b", defaults={"num_inference_steps": 151})]},
            "",
            "character.models[b].defaults.num_inference_steps is over its limit of 150",
        ),
        (
            {"models": [model("a"), model("b", replicas={"num_replicas": 2, "autoscaling": {}})]},
            "",
            "character.models[b].replicas.num_replicas does nothing with autoscaling",
        ),
        ({"models": [model("a"), {"generator": {}, "replica": {}}]}, "", "did you mean replicas"),
    ],
)
def test_what_is_wrong_with_one_of_them_is_named(layer: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ServiceConfig.model_validate({"character": layer})
    (fault,) = raised.value.errors()
    assert ".".join(map(str, fault["loc"])) == place
    assert words in fault["msg"]


def test_the_environment_chooses_the_first_and_is_laid_over_all() -> None:
    config = configured(model(SD1), model(SDXL))
    laid = config.with_environment({"CHARACTER_MODEL": SDXL, "DEFAULT_STEPS": "9", "ATTENTION_SLICING": "1"})
    assert sources(laid) == [SDXL, SD1]
    for each in laid.character.by_model.values():
        assert each.defaults.num_inference_steps == 9
        assert each.generator.model.attention_slicing
    assert sources(config.with_environment({"CHARACTER_MODEL": "my/tune"})) == ["my/tune", SDXL]
    both = config.with_environment({"DIFFUSION_MODEL": SDXL})
    assert (sources(both), both.background.generator.model.source) == ([SDXL, SD1], SDXL)


def test_deployments_have_names_that_ray_can_spell() -> None:
    names = deployment_names(
        ("character", "character:a/b c", "character:a-b-c", "background", "background:x")
    )
    assert list(names.values()) == [
        *("Character", "Character-a-b-c", "Character-a-b-c-2"),
        *("Background", "Background-x"),
    ]
    (long,) = deployment_names([f"character:{'x' * 500}"]).values()
    assert len(long) <= 80


def test_a_model_goes_by_each_of_its_names() -> None:
    layer = configured(model(SDXL), model("runwayml/stable-diffusion-v1-5")).character
    for name in (SD1, "runwayml/stable-diffusion-v1-5"):
        found = find_model(layer, name)
        assert found is not None
        assert found[0] == SD1
    assert find_model(layer, "another") is None
