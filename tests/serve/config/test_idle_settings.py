"""A setting that would have no effect with the others is refused by name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from serve.config.service_config import ServiceConfig
from tests.support.local_service import SIMULATED


def generator(**options: Any) -> dict[str, Any]:
    model = {"source": "storybook-character"} | options.pop("model", {})
    defaults = {"num_inference_steps": 25, "guidance_scale": 7.5, "width": 384, "height": 512}
    return {"character": {"generator": {"model": model, **options}, "defaults": defaults}}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            generator(simulated={"step_s": 1}),
            "character.generator.simulated.step_s does nothing without backend",
        ),
        (
            generator(backend="simulated", model={"dtype": "float16"}),
            "character.generator.model.dtype does nothing with backend: simulated",
        ),
        (
            generator(backend="simulated", model={"lora": [{"source": "a"}]}),
            "character.generator.model.lora does nothing with backend: simulated",
        ),
        (
            generator(backend="simulated", model={"lora_folder": "a"}),
            "character.generator.model.lora_folder does nothing with backend: simulated",
        ),
        (
            generator(model={"lora_budget_bytes": 4}),
            "character.generator.model.lora_budget_bytes does nothing without lora_folder",
        ),
        (
            generator(model={"source": "a/b", "family": "pixart-sigma", "lora_folder": "a"}),
            "character.generator.model.lora_folder does nothing with PixArt-Sigma",
        ),
        (
            generator(model={"lora_folder": "a", "painter": "denoiser"}),
            "lora_folder cannot be used with painter: denoiser",
        ),
        (
            generator(model={"lora_folder": "a", "compile": True}),
            "lora_folder cannot be used with compile: true",
        ),
        (
            generator(model={"lora_folder": "a", "quantization": {"backend": "torchao"}}),
            "lora_folder cannot be used with quantization",
        ),
        (generator(model={"exact_rows": 4}), "model.exact_rows does nothing without exact: true"),
        (
            generator(model={"device": "cpu", "offload": "model"}),
            "offload does nothing with device: cpu",
        ),
        (generator(model={"device": "cpu", "xformers": True}), "xformers does nothing with device: cpu"),
        (
            {"merger": {"num_replicas": 4, "autoscaling": {"min_replicas": 1}}},
            "merger.num_replicas does nothing with autoscaling",
        ),
        ({"worker": {"max_ongoing_requests": 3}}, "worker.max_ongoing_requests does nothing"),
        ({"worker": {"max_queued_requests": 3}}, "worker.max_queued_requests does nothing"),
        ({"worker": {"autoscaling": {"min_replicas": 1}}}, "worker.autoscaling does nothing"),
        ({"tracing": {"sampled": 0.5}}, "tracing.sampled does nothing without tracing.endpoint"),
        ({"consistency": {"unlike_cosine": 0.5}}, "unlike_cosine does nothing without consistency.embedder"),
        ({"matting": {"input_px": 512}}, "matting.input_px does nothing without sha256"),
        (
            {"provenance": {"embed": False, "prompts": False}},
            "provenance.prompts does nothing with embed: false",
        ),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        ServiceConfig.model_validate(settings).with_environment({})


@pytest.mark.parametrize(
    "settings",
    [
        generator(model={"exact": True, "exact_rows": 4}),
        generator(model={"device": "auto", "offload": "model", "xformers": True}),
        generator(backend="simulated", simulated={"step_s": 1}, model={"lazy_load": True}),
        {"merger": {"num_replicas": None, "autoscaling": {"min_replicas": 1}}},
        {"worker": {"num_replicas": 3}},
    ],
)
def test_settings_that_count_are_taken(settings: dict[str, Any]) -> None:
    ServiceConfig.model_validate(settings)


def test_the_environment_is_for_whatever_is_served() -> None:
    """The environment is the shell's: a variable that a configuration does not use is not an error."""
    laid = ServiceConfig.model_validate(SIMULATED).with_environment({"USE_XFORMERS": "1"})
    assert laid.character.generator.model.xformers
    sampled = ServiceConfig.model_validate({"tracing": {"sampled": 0.5, "endpoint": "http://127.0.0.1:4318"}})
    assert sampled.with_environment({}).tracing.sampled == 0.5
    from_shell = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert ServiceConfig.model_validate({"tracing": {"sampled": 0.5}}).with_environment(from_shell)
