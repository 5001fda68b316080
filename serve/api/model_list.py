"""List the models this service runs, then the others it knows, each with its licence; find one by its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from deployments.diffusion.model.family import ModelTask
from deployments.diffusion.model.known_words import GRAMMAR, KnownWords, read_known_words
from deployments.diffusion.model.lora_files import LoraFile
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.painter_choice import tasks_of
from deployments.diffusion.model.registry import (
    KNOWN_MODELS,
    CommercialUse,
    ModelCard,
    ModelKind,
    card_of,
    locate,
)
from deployments.messages import LayerKind

from ..config.layer_settings import Defaults, ModelSettings, find_model, layer_defaults
from ..config.service_config import ServiceConfig
from .loras import offered_loras
from .wire import Wire


class Resolution(Wire):
    """Sizes in pixels; the sides of a picture are multiples of `multiple_of`."""

    width: int
    height: int
    multiple_of: int


class LayerUsual(Wire):
    num_inference_steps: int
    guidance_scale: float
    width: int
    height: int


class MemoryRange(Wire):
    """GPU memory in GB, for the weights in half precision and the pictures being painted."""

    least: float
    most: float


class Knows(Wire):
    """Subjects that a small model was taught."""

    words: list[str] = Field(
        description="the words that cause no warning, in lower case, each in the singular or the plural: "
        "what the model was taught, and the words that hold a sentence together"
    )
    offers: dict[str, list[str]] = Field(description="what it can paint, in groups such as places and times")


class LoraEntry(Wire):
    """A LoRA that requests may name."""

    name: str
    sha256: str = Field(description="hash of its file")
    bytes: int
    layers: list[LayerKind] = Field(description="the layers in which requests may name it for this model")
    fault: str | None = Field(description="why it cannot be used; null if it can")


class ModelEntry(Wire):
    id: str
    object: Literal["model"]
    kind: ModelKind
    serving: list[LayerKind] = Field(
        description="the layers that it paints here; empty for a model that is known but not served, which "
        "requests cannot name"
    )
    default_for: list[LayerKind] = Field(description="the layers that it paints if a request names no model")
    defaults: dict[LayerKind, LayerUsual] = Field(
        description="for each layer that it paints, the values of the fields that a request leaves out"
    )
    pipeline: str
    family: str = Field(
        description="the model's family; the Models page of the documentation says what each family can do"
    )
    tasks: list[ModelTask] = Field(
        description="what it can do; `references`, `pose` and `loras` can be combined with each other task, "
        "except that a model distilled for guidance takes a pose only with `text_to_image`"
    )
    licence: str
    attribution: str
    commercial_use: CommercialUse
    resolution: Resolution
    memory_gb: MemoryRange | None
    loras: list[LoraEntry] = Field(description="the LoRAs that a layer's `loras` may name, several at once")
    knows: Knows | None = Field(
        description="the words that the model knows, if its known_words.json lists them; a picture's "
        "warnings name the words of its prompt that are not among them"
    )


class ModelList(Wire):
    """The models that are served here, then the other known ones."""

    object: Literal["list"]
    data: list[ModelEntry]


@dataclass(frozen=True)
class _Served:
    """A model, with its defaults for each layer that it paints."""

    card: ModelCard
    tasks: tuple[ModelTask, ...]
    knows: KnownWords | None = None
    defaults: dict[LayerKind, Defaults] = field(default_factory=dict)
    default_for: list[LayerKind] = field(default_factory=list)
    loras: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def offer(self, kind: LayerKind, settings: ModelSettings) -> None:
        """Add the LoRAs that a layer offers for this model. Two layers may have different folders."""
        for file in offered_loras(settings).values():
            entry = self.loras.setdefault((file.name, file.sha256), _lora_entry(file))
            entry["layers"].append(kind)


def listing(config: ServiceConfig) -> dict[str, Any]:
    """Return the models in OpenAI's list format.

    `serving` names the layers that a model paints here; it is empty for the other known models.
    """
    served: dict[str, _Served] = {}
    for kind, layer in config.layers.items():
        for model, settings in layer.by_model.items():
            card, place = card_of(settings.generator.model), locate(settings.generator.model.source)
            here = served.setdefault(
                card.id, _Served(card, tasks_of(settings.generator.model), read_known_words(place))
            )
            here.defaults[kind] = layer_defaults(kind, settings)
            here.offer(kind, settings)
            if not model:
                here.default_for.append(kind)
    others = [_Served(card, tasks_of(ModelConfig(card.id))) for card in KNOWN_MODELS if card.id not in served]
    return {"object": "list", "data": [_entry(each) for each in (*served.values(), *others)]}


def find(config: ServiceConfig, name: str) -> dict[str, Any] | None:
    """Return a model's entry in the listing, by its id or an alias, or None if there is none."""
    for entry in listing(config)["data"]:
        if name == entry["id"]:
            return dict(entry)
    return next((find(config, card.id) for card in KNOWN_MODELS if name in card.aliases), None)


def layers_painted_by(config: ServiceConfig, name: str) -> list[LayerKind]:
    """Return the layers whose model has this name. The name is only compared, and opens no file."""
    return [kind for kind, layer in config.layers.items() if find_model(layer, name) is not None]


def _lora_entry(file: LoraFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "sha256": file.sha256,
        "bytes": file.size_bytes,
        "layers": [],
        "fault": file.fault or None,
    }


def _entry(served: _Served) -> dict[str, Any]:
    card, knows = served.card, served.knows
    width, height = card.native_size
    return {
        "id": card.id,
        "object": "model",
        "kind": card.kind,
        "serving": list(served.defaults),
        "default_for": served.default_for,
        "defaults": {kind: vars(defaults) for kind, defaults in served.defaults.items()},
        "pipeline": card.pipeline,
        "family": card.family.name,
        "tasks": list(served.tasks),
        "licence": card.licence,
        "attribution": card.attribution,
        "commercial_use": card.commercial_use,
        "resolution": {"width": width, "height": height, "multiple_of": card.latent_factor},
        "memory_gb": None
        if card.memory_gb is None
        else {"least": card.memory_gb[0], "most": card.memory_gb[1]},
        "loras": list(served.loras.values()),
        "knows": None
        if knows is None
        else {
            "words": sorted(knows.words | GRAMMAR),
            "offers": {name: list(group) for name, group in knows.offers},
        },
    }
