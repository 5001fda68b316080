"""Find settings that would have no effect given the others, and say what each one needs.

Only settings that differ from their default are checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.registry import card_of
from deployments.diffusion.simulated.simulated_painter import SimulatedConfig
from deployments.generator import GeneratorConfig
from deployments.imaging.consistency.embedder import ConsistencyConfig
from deployments.imaging.cutout.neural_matting import MattingConfig

from ..safety.words import idle_word
from .layer_settings import ModelSettings
from .model_names import settings_path
from .replica_options import ReplicaOptions
from .service_settings import ServiceSettings

OF_ANY_BACKEND = (
    *("source", "family", "lazy_load", "unload_after_idle_s", "threads"),
    *("ip_adapter", "pose_controlnet"),
)
"""Model keys that count with any backend. `source` names the model to callers, and the last two say what
requests may use. `threads` may stay because simulated.yaml is made from a real file."""
CALLED = ("max_ongoing_requests", "max_queued_requests", "autoscaling")


def idle_settings(config: ServiceSettings) -> Iterator[str]:
    """Yield a sentence for each setting that would have no effect."""
    for name, model in config.generators.items():
        path = settings_path(name)
        yield from _of_a_generator(model.generator, f"{path}.generator")
        yield from _of_defaults(model, path)
        yield from _of_replicas(model.replicas, f"{path}.replicas")
    for name in ("merger", "ingress", "worker"):
        yield from _of_replicas(getattr(config, name), name)
    worker, silent = config.worker, type(config.worker)(num_cpus=0)
    for key in CALLED:
        if getattr(worker, key) != getattr(silent, key):
            yield f"worker.{key} does nothing, since nobody calls the worker: set worker.num_replicas"
    merger = config.merger
    if merger.at_once != type(merger)().at_once and merger.at_once > merger.max_ongoing_requests:
        yield "merger.at_once does nothing above merger.max_ongoing_requests: raise that too"
    hooks = config.webhooks
    if not hooks.allowed_hosts and hooks != type(hooks)():
        yield "webhooks does nothing without webhooks.allowed_hosts: no webhook is sent anywhere"
    safety = config.safety
    if not safety.checks_pictures:
        for name in ("threshold", "picture_check"):
            if getattr(safety, name) != getattr(type(safety)(), name):
                yield f"safety.{name} does nothing with safety.mode off: set it to flag or refuse"
    if (word := idle_word(safety.blocked_words)) is not None:
        yield f"safety.blocked_words: {word!r} is never found, since it has neither letters nor digits"
    if config.provenance.prompts is False and not config.provenance.embed:
        yield "provenance.prompts does nothing with embed: false"
    if config.consistency.embedder is None and config.consistency != ConsistencyConfig():
        yield "consistency.unlike_cosine does nothing without consistency.embedder"
    matting = config.matting
    if matting and not matting.sha256 and "input_px" in _set(matting, MattingConfig()):
        yield "matting.input_px does nothing without sha256: models on snipbg's list have their own size"


def idle_traces(config: ServiceSettings) -> Iterator[str]:
    """Yield a sentence if traces are sent nowhere, given settings with the environment applied."""
    if config.tracing.endpoint is None and config.tracing.sampled != 1:
        yield "tracing.sampled does nothing without tracing.endpoint"


def _of_a_generator(generator: GeneratorConfig, path: str) -> Iterator[str]:
    if generator.backend == "simulated":
        for key in _set(generator.model, ModelConfig(generator.model.source)):
            if key not in OF_ANY_BACKEND:
                yield f"{path}.model.{key} does nothing with backend: simulated"
        return
    for key in _set(generator.simulated, SimulatedConfig()):
        yield f"{path}.simulated.{key} does nothing without backend: simulated"
    model = generator.model
    if not model.exact and "exact_rows" in _set(model, ModelConfig(model.source)):
        yield f"{path}.model.exact_rows does nothing without exact: true"
    if model.lora_folder is None:
        if "lora_budget_bytes" in _set(model, ModelConfig(model.source)):
            yield f"{path}.model.lora_budget_bytes does nothing without lora_folder"
    elif not card_of(model).family.takes_loras:
        title = card_of(model).family.title
        yield f"{path}.model.lora_folder does nothing with {title}, for which diffusers supports no LoRAs"
    if model.device == "cpu":
        for key, silent in (("offload", "none"), ("xformers", False)):
            if getattr(model, key) != silent:
                yield f"{path}.model.{key} does nothing with device: cpu"


def _of_defaults(model: ModelSettings, path: str) -> Iterator[str]:
    family = card_of(model.generator.model).family
    if model.defaults.guidance_scale is not None and not family.takes_guidance_scale:
        yield f"{path}.defaults.guidance_scale does nothing with {family.title}, which does not use it"


def _of_replicas(options: ReplicaOptions, path: str) -> Iterator[str]:
    if options.autoscaling is not None and options.num_replicas not in (None, 1):
        yield f"{path}.num_replicas does nothing with autoscaling: set autoscaling.min_replicas"


def _set(value: Any, silent: Any) -> list[str]:
    """Return the names of the fields in which two settings of one type differ."""
    names = (field.name for field in dataclasses.fields(silent))
    return [name for name in names if getattr(value, name) != getattr(silent, name)]
