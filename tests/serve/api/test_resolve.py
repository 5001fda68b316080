from __future__ import annotations

import time
from typing import Any

import pytest

from deployments.errors import InvalidRequest
from deployments.messages import MergeOptions, OutputOptions
from serve.api.layer_schema import CharacterRequest, LayerRequest
from serve.api.resolve import admit_layer, admit_scene, attribution_mark
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from serve.graph.scene_job import SceneJob
from serve.http.body import parse

BUNDLED = ServiceConfig()


def admitted(config: ServiceConfig = BUNDLED, **changes: Any) -> SceneJob:
    scene = SceneRequest.model_validate({"character": "a knight", "background": "a castle", **changes})
    return admit_scene(scene, config, "id", None)


def refusal(config: ServiceConfig = BUNDLED, **changes: Any) -> tuple[str | None, str]:
    with pytest.raises(InvalidRequest) as raised:
        admitted(config, **changes)
    return raised.value.param, raised.value.message


def test_a_silent_request_gets_the_contracts_defaults() -> None:
    job = admitted()
    character, background = job.character, job.background
    assert (character.num_inference_steps, character.guidance_scale) == (25, 7.5)
    assert (character.width_px, character.height_px) == (384, 512)
    assert (background.num_inference_steps, background.guidance_scale) == (20, 6.0)
    assert (background.width_px, background.height_px) == (768, 384)
    assert (character.negative_prompt, character.fallback, character.request_id) == (None, "reduce", "id")
    assert job.merge.options == MergeOptions()
    assert job.merge.output == OutputOptions("jpeg", 95)
    assert 119 < job.deadline_at - time.monotonic() <= 120
    assert character.deadline_at == background.deadline_at == job.deadline_at


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"merge": {"mode": "paste"}}, (512, 384)),
        ({"merge": {"width": 512, "height": 512}}, (512, 384)),
        ({"background": {"prompt": "a", "width": 640}}, (640, 384)),
        ({"background": {"prompt": "a", "width": 512, "height": 384}}, (512, 384)),
    ],
)
def test_a_background_fills_its_frame_unless_it_is_pasted_or_has_a_size(
    changes: dict[str, Any], size: tuple[int, int]
) -> None:
    job = admitted(**changes)
    assert (job.background.width_px, job.background.height_px) == size
    assert (job.character.width_px, job.character.height_px) == (384, 512)


@pytest.mark.parametrize(("position", "meant"), [({"x": 0}, 0.0), ({"x": 0.3}, 0.3), ("left", "left")])
def test_a_position_is_a_word_or_a_share_of_the_width(position: Any, meant: Any) -> None:
    assert admitted(merge={"position": position}).merge.options.position == meant


@pytest.mark.parametrize(
    ("position", "param"),
    [
        ("up", "merge.position"),
        (0.3, "merge.position"),
        (["left"], "merge.position"),
        ({}, "merge.position.x"),
        ({"x": -0.1}, "merge.position.x"),
        ({"x": 1.1}, "merge.position.x"),
        ({"x": "0.5"}, "merge.position.x"),
        ({"x": True}, "merge.position.x"),
        ({"x": 0.5, "y": 0.5}, "merge.position.y"),
    ],
)
def test_a_position_that_is_none_is_refused_by_its_path(position: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse({"character": "a", "background": "b", "merge": {"position": position}}, SceneRequest)
    assert raised.value.param == param


def test_the_service_may_keep_to_one_size() -> None:
    fixed = ServiceConfig.model_validate({"merge": {"background_size": "default"}})
    assert admitted(fixed).background.width_px == 512


def test_one_seed_sets_both_unless_a_layer_has_its_own() -> None:
    job = admitted(seed=42, background={"prompt": "a castle", "seed": 0})
    assert (job.character.seed, job.background.seed) == (42, 0)


def test_absent_seeds_are_drawn_apart() -> None:
    seeds = {
        seed for _ in range(4) for job in [admitted()] for seed in (job.character.seed, job.background.seed)
    }
    assert len(seeds) == 8


@pytest.mark.parametrize(("mode", "plain"), [("auto", True), ("cutout", True), ("paste", False)])
def test_only_a_character_that_is_cut_out_has_a_plain_backdrop(mode: str, plain: bool) -> None:
    job = admitted(merge={"mode": mode})
    assert (job.character.plain_backdrop, job.background.plain_backdrop) == (plain, False)


def test_untouched_words_get_no_backdrop() -> None:
    assert not admitted(character={"prompt": "a", "enhance_prompt": False}).character.plain_backdrop


@pytest.mark.parametrize(
    ("side", "said"),
    [(72, "a multiple of 32; the nearest is 64"), (500, "the nearest is 512"), (1023, "the nearest is 1024")],
)
def test_sides_are_multiples_of_the_models_factor(side: int, said: str) -> None:
    param, message = refusal(character={"prompt": "a", "height": side})
    assert param == "character.height"
    assert said in message


@pytest.mark.parametrize("changes", [{"merge": {"width": 1025}}, {"merge": {"height": 2000}}])
def test_the_frame_is_bounded(changes: dict[str, Any]) -> None:
    param, message = refusal(**changes)
    assert param == f"merge.{next(iter(changes['merge']))}"
    assert message == f"{param} must be between 64 and 1024 pixels"


def test_a_larger_limit_serves_larger_pictures() -> None:
    large = BUNDLED.with_environment({"MAX_IMAGE_SIZE": "2048"})
    job = admitted(large, character={"prompt": "a", "width": 2048}, merge={"width": 2048, "height": 1536})
    assert (job.character.width_px, job.merge.options.width_px, job.merge.options.height_px) == (
        2048,
        2048,
        1536,
    )
    assert refusal(large, character={"prompt": "a", "width": 2064})[0] == "character.width"


def test_a_smaller_limit_refuses_what_is_requested_and_shrinks_what_is_not() -> None:
    small = BUNDLED.with_environment({"MAX_IMAGE_SIZE": "300"})
    assert refusal(small, character={"prompt": "a", "width": 304})[0] == "character.width"
    assert refusal(small, merge={"width": 301})[0] == "merge.width"
    job = admitted(small)
    assert (job.character.width_px, job.character.height_px) == (224, 288)
    assert (job.background.width_px, job.background.height_px) == (288, 128)
    assert (job.merge.options.width_px, job.merge.options.height_px) == (300, 150)


def test_the_frame_may_have_a_limit_of_its_own() -> None:
    config = ServiceConfig.model_validate({"limits": {"max_image_size": 512, "max_frame_size": 1280}})
    assert admitted(config, merge={"width": 1280}).merge.options.width_px == 1280
    assert admitted(config).merge.options.width_px == 1024


@pytest.mark.parametrize(
    ("limits", "changes", "param"),
    [
        ({}, {"character": {"prompt": "a", "steps": 151}}, "character.num_inference_steps"),
        ({}, {"background": {"prompt": "a", "cfg_scale": 31}}, "background.guidance_scale"),
        ({}, {"character": "a" * 2_001}, "character.prompt"),
        ({}, {"character": {"prompt": "a", "negative_prompt": "a" * 2_001}}, "character.negative_prompt"),
        ({}, {"deadline_s": 601}, "deadline_s"),
        ({"max_prompt_chars": 8}, {"background": "moonlight"}, "background.prompt"),
        ({"max_deadline_s": 5}, {"deadline_s": 6}, "deadline_s"),
        ({"max_steps": 30}, {"character": {"prompt": "a", "steps": 31}}, "character.num_inference_steps"),
    ],
)
def test_the_services_own_limits(limits: dict[str, Any], changes: dict[str, Any], param: str) -> None:
    config = ServiceConfig.model_validate({"limits": limits})
    assert refusal(config, **changes)[0] == param


@pytest.mark.parametrize(
    ("field", "wrong", "message"),
    [
        ("character.num_inference_steps", (0, -1, 151, 200, 9_999, 10**299), "must be between 1 and 150"),
        ("background.guidance_scale", (-0.1, 31, 101, 10.0**299), "must be between 0 and 30"),
        ("character.width", (-64, 0, 63, 1_025, 8_193, 10**299), "must be between 64 and 1024 pixels"),
        ("merge.height", (-64, 0, 10, 1_025, 8_193, 10**299), "must be between 64 and 1024 pixels"),
        ("deadline_s", (-1, 0, 601, 86_401, 10.0**299), "must be more than 0 and at most 600 seconds"),
        ("character.prompt", ("a" * 2_001, "a" * 100_001), "must be at most 2000 characters"),
        ("background.negative_prompt", ("a" * 2_001, "a" * 100_001), "must be at most 2000 characters"),
    ],
)
def test_a_limit_is_the_same_however_far_a_value_is_beyond_it(
    field: str, wrong: tuple[Any, ...], message: str
) -> None:
    part, _, name = field.rpartition(".")
    for value in wrong:
        prompt = {} if part == "merge" else {"prompt": "a"}
        changes = {part: prompt | {name: value}} if part else {name: value}
        assert refusal(**changes) == (field, f"{field} {message}")


@pytest.mark.parametrize(
    ("limits", "changes"),
    [
        ({"max_steps": 5_000}, {"character": {"prompt": "a", "steps": 5_000}}),
        ({"max_guidance": 200}, {"character": {"prompt": "a", "cfg_scale": 200}}),
        ({"max_prompt_chars": 200_000}, {"character": "a" * 200_000}),
        ({"max_deadline_s": 200_000}, {"deadline_s": 200_000}),
        ({"max_frame_size": 8_192}, {"merge": {"width": 8_192}}),
    ],
)
def test_a_limit_that_is_set_is_the_one_that_counts(limits: dict[str, Any], changes: dict[str, Any]) -> None:
    """The wire format once had narrower bounds of its own, so that these limits had no effect."""
    admitted(ServiceConfig.model_validate({"limits": limits}), **changes)


def test_limits_can_be_widened() -> None:
    config = ServiceConfig.model_validate({"limits": {"max_steps": 400, "max_prompt_chars": 5_000}})
    job = admitted(config, character={"prompt": "a" * 5_000, "steps": 400})
    assert job.character.num_inference_steps == 400


def test_the_services_merge_defaults() -> None:
    merge = {"mode": "paste", "position": "left", "width": 800, "height": 400, "quality": 80}
    config = ServiceConfig.model_validate({"merge": merge})
    job = admitted(config)
    options = job.merge.options
    assert (options.mode, options.position, options.width_px, options.height_px) == (
        "paste",
        "left",
        800,
        400,
    )
    assert (job.merge.output.quality, job.character.plain_backdrop) == (80, False)
    requested = admitted(config, merge={"mode": "auto", "position": "center"}, output={"quality": 50})
    assert (
        requested.merge.options.mode,
        requested.merge.options.position,
        requested.merge.output.quality,
    ) == (
        "auto",
        "center",
        50,
    )


def test_a_model_must_be_the_one_that_is_served() -> None:
    assert admitted(character={"prompt": "a", "model": "storybook-character"}).character.prompt == "a"
    for other in ("storybook-background", "/etc/passwd", "stabilityai/stable-diffusion-2-1"):
        param, message = refusal(character={"prompt": "a", "model": other})
        assert (param, message) == (
            "character.model",
            "character.model must be one that this service paints the character with: storybook-character",
        )


def test_a_model_may_go_by_its_former_name() -> None:
    config = BUNDLED.with_environment({"CHARACTER_MODEL": "stable-diffusion-v1-5/stable-diffusion-v1-5"})
    admitted(config, character={"prompt": "a", "model": "runwayml/stable-diffusion-v1-5"})


def test_the_mark_names_the_models() -> None:
    assert admitted().merge.attribution is None
    assert admitted(attribution=True).merge.attribution == "Painted by the Scenewright storybook models"
    mixed = BUNDLED.with_environment({"BACKGROUND_MODEL": "stabilityai/stable-diffusion-2-1"})
    mark = admitted(mixed, attribution=True).merge.attribution
    assert mark == "Painted by the Scenewright storybook models; Generated with Stable Diffusion"


def test_the_mark_of_layers_from_elsewhere_names_the_layers_first_models() -> None:
    assert attribution_mark(BUNDLED) == "Painted by the Scenewright storybook models"
    mixed = BUNDLED.with_environment({"BACKGROUND_MODEL": "stabilityai/stable-diffusion-2-1"})
    mark = attribution_mark(mixed)
    assert mark == "Painted by the Scenewright storybook models; Generated with Stable Diffusion"


def test_a_layer_alone() -> None:
    job = admit_layer("background", LayerRequest.model_validate({"prompt": "a", "seed": 3}), BUNDLED, "id")
    assert (job.kind, job.seed, job.width_px, job.plain_backdrop) == ("background", 3, 512, False)
    cutout = CharacterRequest.model_validate({"prompt": "a", "cutout": True})
    assert admit_layer("character", cutout, BUNDLED, "id").plain_backdrop
    with pytest.raises(InvalidRequest) as raised:
        admit_layer("character", CharacterRequest.model_validate({"prompt": "a", "width": 70}), BUNDLED, "id")
    assert raised.value.param == "width"
