from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from serve.config.service_config import ServiceConfig

DIFFUSION: dict[str, Any] = {
    "model_id": "runwayml/stable-diffusion-v1-5",
    "device": "cuda",
    "torch_dtype": "float16",
    "enable_attention_slicing": True,
    "enable_xformers": True,
    "safety_checker": None,
    "default_steps": 30,
    "default_guidance": 8,
    "max_resolution": 768,
}
MERGE: dict[str, Any] = {
    "target_size": (1280, 640),
    "quality": 90,
    "character_position": "left",
    "blend_mode": "alpha",
}


@pytest.mark.parametrize("kind", [dict, SimpleNamespace])
def test_both_dictionaries_are_taken_whole(kind: Any) -> None:
    config = ServiceConfig.from_django(kind(STABLE_DIFFUSION_CONFIG=DIFFUSION, IMAGE_MERGE_CONFIG=MERGE))
    for layer in (config.character, config.background):
        model = layer.generator.model
        assert (model.source, model.device, model.dtype) == (
            "runwayml/stable-diffusion-v1-5",
            "cuda",
            "float16",
        )
        assert (model.attention_slicing, model.xformers) == (True, True)
        assert (layer.defaults.num_inference_steps, layer.defaults.guidance_scale) == (30, 8.0)
        assert layer.replicas.num_gpus == 1
    assert config.limits.max_image_size == 768
    merge = config.merge
    assert (merge.width, merge.height, merge.quality) == (1280, 640, 90)
    assert (merge.position, merge.mode) == ("left", "paste")


def test_one_dictionary_is_enough_and_the_rest_stays() -> None:
    config = ServiceConfig.from_django({"IMAGE_MERGE_CONFIG": {"quality": 80}, "DEBUG": True})
    assert config.merge.quality == 80
    assert config.character == ServiceConfig().character


def test_the_frame_may_be_larger_than_what_is_painted() -> None:
    config = ServiceConfig.from_django({"STABLE_DIFFUSION_CONFIG": {"max_resolution": (512, 768)}})
    assert (config.limits.max_image_size, config.limits.max_frame_size) == (768, 1024)


def test_torchs_own_dtype_and_a_numbered_device() -> None:
    settings = {"STABLE_DIFFUSION_CONFIG": {"torch_dtype": "torch.float16", "device": "cuda:1"}}
    model = ServiceConfig.from_django(settings).character.generator.model
    assert (model.dtype, model.device) == ("float16", "cuda")


def test_a_safety_checker_that_is_not_there_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    ServiceConfig.from_django({"STABLE_DIFFUSION_CONFIG": {"safety_checker": False}})
    assert caplog.messages == []
    ServiceConfig.from_django({"STABLE_DIFFUSION_CONFIG": {"safety_checker": True}})
    assert "pictures are not checked" in caplog.text


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("STABLE_DIFFUSION_CONFIG", "model", "x"),
        ("STABLE_DIFFUSION_CONFIG", "device", "tpu"),
        ("STABLE_DIFFUSION_CONFIG", "torch_dtype", "int8"),
        ("STABLE_DIFFUSION_CONFIG", "enable_xformers", "yes"),
        ("STABLE_DIFFUSION_CONFIG", "default_steps", 2.5),
        ("STABLE_DIFFUSION_CONFIG", "default_steps", 10_001),
        ("STABLE_DIFFUSION_CONFIG", "default_guidance", "high"),
        ("STABLE_DIFFUSION_CONFIG", "default_guidance", 1_001),
        ("STABLE_DIFFUSION_CONFIG", "max_resolution", 10**9),
        ("IMAGE_MERGE_CONFIG", "target_size", (1024, 8_193)),
        ("STABLE_DIFFUSION_CONFIG", "model_id", None),
        ("IMAGE_MERGE_CONFIG", "size", (1, 2)),
        ("IMAGE_MERGE_CONFIG", "target_size", 1024),
        ("IMAGE_MERGE_CONFIG", "quality", 101),
        ("IMAGE_MERGE_CONFIG", "character_position", "top"),
        ("IMAGE_MERGE_CONFIG", "blend_mode", "multiply"),
        ("IMAGE_MERGE_CONFIG", "blend_mode", ["alpha"]),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(name: str, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\['{key}'\] "):
        ServiceConfig.from_django({name: {key: value}})


@pytest.mark.parametrize("settings", [{}, {"DEBUG": True}, SimpleNamespace()])
def test_settings_without_either_are_refused(settings: Any) -> None:
    with pytest.raises(ValueError, match="neither STABLE_DIFFUSION_CONFIG nor IMAGE_MERGE_CONFIG"):
        ServiceConfig.from_django(settings)


def test_a_setting_that_is_no_dictionary_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^IMAGE_MERGE_CONFIG must be a dictionary"):
        ServiceConfig.from_django({"IMAGE_MERGE_CONFIG": 3})
