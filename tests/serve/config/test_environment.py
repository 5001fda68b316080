from __future__ import annotations

import pytest

from serve.config.service_config import ServiceConfig


def test_every_documented_name_is_heeded() -> None:
    config = ServiceConfig().with_environment(
        {
            "DIFFUSION_MODEL": "some/model",
            "USE_XFORMERS": "true",
            "ATTENTION_SLICING": "1",
            "DEFAULT_STEPS": "12",
            "DEFAULT_GUIDANCE": "5.5",
            "MAX_IMAGE_SIZE": "2048",
            "SCENEWRIGHT_ALLOWED_HOSTS": "Paint.Example, *.lan.example,",
            "SCENEWRIGHT_DATABASE": "postgresql+psycopg://me:secret@db/scenes",
            "SCENEWRIGHT_PICTURES": " s3://bucket/scenes ",
        }
    )
    for layer in (config.character, config.background):
        model = layer.generator.model
        assert (model.source, model.xformers, model.attention_slicing) == ("some/model", True, True)
        assert (layer.defaults.num_inference_steps, layer.defaults.guidance_scale) == (12, 5.5)
    assert config.limits.max_image_size == 2048
    assert config.allowed_hosts == ("paint.example", "*.lan.example")
    assert config.jobs.database == "postgresql+psycopg://me:secret@db/scenes"
    assert config.jobs.pictures == "s3://bucket/scenes"


def test_a_layers_own_model_comes_before_the_common_one() -> None:
    config = ServiceConfig().with_environment({"DIFFUSION_MODEL": "a/b", "BACKGROUND_MODEL": "c/d"})
    assert (config.character.generator.model.source, config.background.generator.model.source) == (
        "a/b",
        "c/d",
    )


def test_what_is_unset_or_empty_changes_nothing() -> None:
    assert ServiceConfig().with_environment({}) == ServiceConfig()
    names = ("CHARACTER_MODEL", "USE_XFORMERS", "DEFAULT_STEPS", "MAX_IMAGE_SIZE")
    assert ServiceConfig().with_environment(dict.fromkeys(names, " ")) == ServiceConfig()


def test_a_switch_can_be_turned_off() -> None:
    on = ServiceConfig().with_environment({"USE_XFORMERS": "yes"})
    assert not on.with_environment({"USE_XFORMERS": "False"}).character.generator.model.xformers


def test_guidance_may_be_nothing() -> None:
    assert ServiceConfig().with_environment({"DEFAULT_GUIDANCE": "0"}).character.defaults.guidance_scale == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("USE_XFORMERS", "perhaps"),
        ("ATTENTION_SLICING", "2"),
        ("DEFAULT_STEPS", "0"),
        ("DEFAULT_STEPS", "2.5"),
        ("DEFAULT_STEPS", "many"),
        ("DEFAULT_STEPS", "100000"),
        ("DEFAULT_GUIDANCE", "-1"),
        ("DEFAULT_GUIDANCE", "nan"),
        ("DEFAULT_GUIDANCE", "inf"),
        ("MAX_IMAGE_SIZE", "1024.5"),
        ("MAX_IMAGE_SIZE", "10"),
        ("MAX_IMAGE_SIZE", "1000000"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be .*'{value}'$"):
        ServiceConfig().with_environment({name: value})


def test_a_state_folder_in_a_home_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match="~nobody-of-that-name/x: this home folder is not known"):
        ServiceConfig().with_environment({"SCENEWRIGHT_STATE_DIR": "~nobody-of-that-name/x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCENEWRIGHT_ALLOWED_HOSTS", "http://paint.example"),
        ("SCENEWRIGHT_DATABASE", "db.internal"),
        ("SCENEWRIGHT_STATE_DIR", "/somewhere/\udcff"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ],
)
def test_what_a_field_refuses_is_one_sentence_with_the_variables_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: [^\n]+$"):
        ServiceConfig().with_environment({name: value})
