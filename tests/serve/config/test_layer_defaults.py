"""Omitted fields get the defaults of the model's family; fields that a family does not use are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.model.families import FAMILIES
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.painter_choice import tasks_of
from deployments.diffusion.model.registry import KNOWN_MODELS
from deployments.errors import InvalidRequest
from deployments.generator import GeneratorConfig
from deployments.messages import LayerJob
from serve.api.known_pictures import InputPicture
from serve.api.layer_schema import LayerRequest, PictureInput
from serve.api.resolve import admit_layer, admit_scene
from serve.api.scene_schema import SceneRequest
from serve.config.layer_settings import Defaults, layer_defaults
from serve.config.service_config import ServiceConfig

SCHNELL, DEV = "black-forest-labs/FLUX.1-schnell", "black-forest-labs/FLUX.1-dev"
WORDS = "a red knight"


def painted_by(source: str, **settings: Any) -> ServiceConfig:
    layer = {"generator": {"model": {"source": source} | settings.pop("model", {})}, **settings}
    return ServiceConfig.model_validate({"character": layer, "background": layer})


def admitted(config: ServiceConfig, **requested: Any) -> LayerJob:
    """Admit a layer; with a start picture if its model requires one."""
    known = {}
    if "text_to_image" not in tasks_of(config.character.generator.model):
        start = PictureInput(id="pic_0")
        requested |= {"image": start}
        known = {start: InputPicture(name="0", width=1024, height=1024)}
    return admit_layer("character", LayerRequest(prompt=WORDS, **requested), config, "req", pictures=known)


def refused(config: ServiceConfig, **requested: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        admitted(config, **requested)
    return raised.value


@pytest.mark.parametrize(
    ("source", "character", "background"),
    [
        ("storybook-character", Defaults(25, 7.5, 384, 512), Defaults(20, 6.0, 512, 384)),
        ("someone/anime-tune", Defaults(25, 7.5, 384, 512), Defaults(20, 6.0, 512, 384)),
        ("stabilityai/stable-diffusion-xl-base-1.0", Defaults(25, 7.5, 384, 512), None),
        (SCHNELL, Defaults(4, 0.0, 768, 1024), Defaults(4, 0.0, 1024, 768)),
        (DEV, Defaults(28, 3.5, 768, 1024), Defaults(28, 3.5, 1024, 768)),
        ("stabilityai/stable-diffusion-3.5-large", Defaults(28, 4.5, 768, 1024), None),
        ("stabilityai/stable-diffusion-3.5-large-turbo", Defaults(4, 0.0, 768, 1024), None),
        ("Tongyi-MAI/Z-Image-Turbo", Defaults(9, 0.0, 768, 1024), None),
        ("Efficient-Large-Model/Sana_1600M_1024px_diffusers", Defaults(20, 4.5, 768, 1024), None),
    ],
)
def test_the_model_decides_where_nobody_else_does(
    source: str, character: Defaults, background: Defaults | None
) -> None:
    config = painted_by(source)
    assert layer_defaults("character", config.character) == character
    if background is not None:
        assert layer_defaults("background", config.background) == background
    job = admitted(config)
    assert (job.num_inference_steps, job.guidance_scale) == (
        character.num_inference_steps,
        character.guidance_scale,
    )
    assert (job.width_px, job.height_px) == (character.width, character.height)


def test_the_operator_decides_before_the_model() -> None:
    config = painted_by(DEV, defaults={"num_inference_steps": 12, "width": 512})
    assert layer_defaults("character", config.character) == Defaults(12, 3.5, 512, 1024)
    laid_over = ServiceConfig().with_environment({"DIFFUSION_MODEL": SCHNELL, "DEFAULT_STEPS": "8"})
    assert layer_defaults("background", laid_over.background) == Defaults(8, 0.0, 1024, 768)


def test_an_environment_for_every_model_guides_none_that_was_made_without() -> None:
    laid_over = ServiceConfig().with_environment({"DIFFUSION_MODEL": SCHNELL, "DEFAULT_GUIDANCE": "7"})
    assert layer_defaults("character", laid_over.character).guidance_scale == 0
    assert admitted(laid_over).guidance_scale == 0
    guided = ServiceConfig().with_environment({"DIFFUSION_MODEL": DEV, "DEFAULT_GUIDANCE": "7"})
    assert admitted(guided).guidance_scale == 7


def test_a_family_is_named_for_a_hub_id_that_is_not_known() -> None:
    config = painted_by("someone/tuned-flux", model={"family": "flux-dev"})
    assert layer_defaults("character", config.character) == Defaults(28, 3.5, 768, 1024)
    assert "16" in refused(config, width=328).message


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_a_family_has_no_use_for_is_refused_by_its_name(family: Any) -> None:
    config = painted_by("someone/tune", model={"family": family.name})
    assert admitted(config).guidance_scale in (family.guidance_scale, 7.5)
    if family.takes_negative_prompt:
        assert admitted(config, negative_prompt="people").negative_prompt == "people"
    else:
        error = refused(config, negative_prompt="people")
        assert error.param == "negative_prompt"
        assert error.message == f"negative_prompt is not supported by someone/tune: {family.title} takes none"
        for none in (None, ""):
            assert not admitted(config, negative_prompt=none).negative_prompt
    if family.takes_guidance_scale:
        assert admitted(config, guidance_scale=2.5).guidance_scale == 2.5
    else:
        assert refused(config, cfg_scale=2.5).param == "guidance_scale"
        assert admitted(config, guidance_scale=family.guidance_scale)
    factor = family.vae_factor * family.patch
    if family.name not in ("sd1", "sd2", "sdxl"):
        assert f"width must be a multiple of {factor}" in refused(config, width=256 + factor // 2).message


def test_a_scene_names_the_layer_whose_parameter_it_is() -> None:
    requested = SceneRequest.model_validate(
        {"character": WORDS, "background": {"prompt": "a castle", "negative_prompt": "people"}}
    )
    with pytest.raises(InvalidRequest) as raised:
        admit_scene(requested, painted_by(DEV), "req", None)
    assert raised.value.param == "background.negative_prompt"
    refused = "background.negative_prompt is not supported by black-forest-labs/FLUX"
    assert raised.value.message.startswith(refused)


def test_a_default_that_would_do_nothing_is_refused_with_the_file() -> None:
    with pytest.raises(ValidationError, match=r"character\.defaults\.guidance_scale does nothing with FLUX"):
        painted_by(SCHNELL, defaults={"guidance_scale": 3.0})
    with pytest.raises(ValidationError, match="unknown family 'flux'"):
        painted_by("someone/tune", model={"family": "flux"})


def test_a_familys_defaults_are_within_the_services_limits() -> None:
    data = painted_by("Qwen/Qwen-Image").model_dump() | {"limits": {"max_steps": 40}}
    with pytest.raises(ValidationError, match=r"character\.defaults\.num_inference_steps is over its limit"):
        ServiceConfig.model_validate(data)


def prompts(replica_class: Any, source: str, *, terms: bool | None = None, **job: Any) -> tuple[str, str]:
    replica = replica_class(GeneratorConfig(ModelConfig(source), "simulated", quality_terms=terms))
    requested = LayerJob(
        request_id="r",
        kind=replica.kind,
        prompt=WORDS,
        num_inference_steps=1,
        guidance_scale=1.0,
        seed=0,
        width_px=64,
        height_px=64,
        deadline_at=1e12,
        **job,
    )
    prompt, negative = replica.prompts(requested)
    return prompt, negative


@pytest.mark.parametrize("replica_class", [Character, Background])
def test_quality_terms_are_for_stable_diffusion_unless_configured(replica_class: Any) -> None:
    prompt, negative = prompts(replica_class, "stabilityai/stable-diffusion-xl-base-1.0")
    assert "concept art" in prompt and negative
    assert prompts(replica_class, "Qwen/Qwen-Image") == (WORDS, "")
    prompt, negative = prompts(replica_class, "Qwen/Qwen-Image", terms=True)
    assert "concept art" in prompt and negative
    prompt, negative = prompts(replica_class, DEV, terms=True)
    assert "concept art" in prompt and negative == ""
    assert prompts(replica_class, "storybook-character", terms=False) == (WORDS, "")
    assert prompts(replica_class, "Qwen/Qwen-Image", negative_prompt="fog") == (WORDS, "fog")


def test_a_figure_to_be_cut_out_has_a_plain_backdrop_whatever_the_family() -> None:
    prompt, _ = prompts(Character, "Qwen/Qwen-Image", plain_backdrop=True)
    assert prompt == f"{WORDS}, full body, plain light gray studio background"


def test_every_known_model_is_of_a_family_whose_pipeline_it_names() -> None:
    for card in KNOWN_MODELS:
        family = card.family
        assert family in FAMILIES
        assert card.pipeline in family.pipelines
        if not card.bundled:
            assert card.latent_factor == family.vae_factor * family.patch
        if family.name not in ("sd1", "sd2", "sdxl"):
            assert card.licence_source
    free = {card.id: card.commercial_use for card in KNOWN_MODELS}
    assert free[DEV] == free["black-forest-labs/FLUX.2-dev"] == "no"
    assert free[SCHNELL] == free["Qwen/Qwen-Image"] == free["Tongyi-MAI/Z-Image-Turbo"] == "yes"
    assert free["Efficient-Large-Model/Sana_1600M_1024px_diffusers"] == "no"
