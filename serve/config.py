"""ServiceConfig: everything that can be set, made of the dataclasses that live beside what they configure.

A configuration file is Ray Serve's own (serve/local.yaml); the application's `args` are a ServiceConfig. The
environment is laid over it when the graph is built, so `serve run` and `scenewright serve` agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from deployments.diffusion.config import ModelConfig
from deployments.generator import GeneratorConfig


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ReplicaOptions(Settings):
    """Ray Serve's options of one deployment; `autoscaling` takes the place of `num_replicas`."""

    num_replicas: PositiveInt | None = 1
    num_cpus: float = Field(1, ge=0)
    num_gpus: float = Field(0, ge=0)
    resources: dict[str, float] = {}
    max_ongoing_requests: PositiveInt = 8
    max_queued_requests: int = 64
    autoscaling: dict[str, Any] | None = None


class LayerDefaults(Settings):
    """What a layer gets where its request is silent."""

    num_inference_steps: PositiveInt
    guidance_scale: float
    width: PositiveInt
    height: PositiveInt


class LayerSettings(Settings):
    """One generator: its model, its replicas, its defaults."""

    generator: GeneratorConfig
    replicas: ReplicaOptions = ReplicaOptions()
    defaults: LayerDefaults


class Limits(Settings):
    """What is refused at the door."""

    max_image_size: PositiveInt = 1024
    min_image_size: PositiveInt = 64
    max_steps: PositiveInt = 150
    max_guidance: float = 30.0
    max_prompt_chars: PositiveInt = 2_000
    max_json_bytes: PositiveInt = 1 << 20
    max_upload_bytes: PositiveInt = 16 << 20
    max_deadline_s: PositiveFloat = 600.0
    body_timeout_s: PositiveFloat = 30.0


CHARACTER_DEFAULTS = LayerDefaults(num_inference_steps=25, guidance_scale=7.5, width=384, height=512)
BACKGROUND_DEFAULTS = LayerDefaults(num_inference_steps=20, guidance_scale=6.0, width=512, height=384)


class ServiceConfig(Settings):
    character: LayerSettings = LayerSettings(
        generator=GeneratorConfig(ModelConfig("storybook-character")), defaults=CHARACTER_DEFAULTS
    )
    background: LayerSettings = LayerSettings(
        generator=GeneratorConfig(ModelConfig("storybook-background")), defaults=BACKGROUND_DEFAULTS
    )
    merger: ReplicaOptions = ReplicaOptions(num_cpus=0.5, max_ongoing_requests=4)
    ingress: ReplicaOptions = ReplicaOptions(num_cpus=0, max_ongoing_requests=200)
    limits: Limits = Limits()

    def with_environment(self, environment: Mapping[str, str]) -> Self:
        """The settings of the documented environment names laid over the file's. Raises ValueError by name."""
        changed = {}
        for kind in ("character", "background"):
            settings: LayerSettings = getattr(self, kind)
            model, defaults = settings.generator.model, settings.defaults
            if source := environment.get(f"{kind.upper()}_MODEL") or environment.get("DIFFUSION_MODEL"):
                model = replace(model, source=source)
            if (switch := _switch(environment, "USE_XFORMERS")) is not None:
                model = replace(model, xformers=switch)
            if (switch := _switch(environment, "ATTENTION_SLICING")) is not None:
                model = replace(model, attention_slicing=switch)
            if (steps := _number(environment, "DEFAULT_STEPS")) is not None:
                defaults = defaults.model_copy(update={"num_inference_steps": int(steps)})
            if (guidance := _number(environment, "DEFAULT_GUIDANCE")) is not None:
                defaults = defaults.model_copy(update={"guidance_scale": guidance})
            generator = replace(settings.generator, model=model)
            changed[kind] = settings.model_copy(update={"generator": generator, "defaults": defaults})
        limits = self.limits
        if (size := _number(environment, "MAX_IMAGE_SIZE")) is not None:
            limits = limits.model_copy(update={"max_image_size": int(size)})
        return self.model_copy(update={**changed, "limits": limits})


def _switch(environment: Mapping[str, str], name: str) -> bool | None:
    value = environment.get(name, "").strip().lower()
    if value in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
        return None if not value else value in ("1", "true", "yes", "on")
    raise ValueError(f"{name} must be true or false, not {value!r}")


def _number(environment: Mapping[str, str], name: str) -> float | None:
    value = environment.get(name, "").strip()
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 < number < 1e6:
        raise ValueError(f"{name} must be a positive number, not {value!r}")
    return number
