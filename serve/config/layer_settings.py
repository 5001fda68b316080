"""Define the models that paint a layer, each with its replicas and its defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

from pydantic import ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from deployments.bounds import Guidance, Side, Steps
from deployments.diffusion.model.registry import card_of
from deployments.generator import GeneratorConfig
from deployments.messages import LayerKind

from .model_names import names_of
from .replica_options import GeneratorReplicaOptions
from .settings_base import Settings

OF_ONE_MODEL = ("replicas", "defaults")
NATIVE_PX = 512
"""The side of the pictures that Stable Diffusion 1 was trained on. The sizes below are meant for it."""


class LayerDefaults(Settings):
    """A layer's defaults for values that its request omits. null: the value that suits the model."""

    num_inference_steps: Steps | None = None
    guidance_scale: Guidance | None = None
    width: Side | None = None
    height: Side | None = None


class ModelSettings(Settings):
    """One model of a layer, which is one generator, with its replicas and its defaults."""

    generator: GeneratorConfig
    replicas: GeneratorReplicaOptions = GeneratorReplicaOptions()
    defaults: LayerDefaults = LayerDefaults()


class LayerSettings(ModelSettings):
    """The model that paints a layer if a request names none, and the others in `models`.

    Without `generator`, the first of `models` becomes the layer's own model.
    """

    models: tuple[ModelSettings, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _first_of_models(cls, layer: Any) -> Any:
        return _first_of_models(layer)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for fault in _name_faults((self, *self.models)):
            raise ValueError(fault)
        return self

    @property
    def by_model(self) -> dict[str, ModelSettings]:
        """Return every model by its `LayerJob.model`, starting with the layer's first."""
        return {"": self} | {model_id(model): model for model in self.models}


def model_id(settings: ModelSettings) -> str:
    """Return the id of a configured model, as `/v1/models` has it."""
    return card_of(settings.generator.model).id


def find_model(layer: LayerSettings, name: str | None) -> tuple[str, ModelSettings] | None:
    """Return the `LayerJob.model` and the settings of the model that a request names, or None if unknown.

    Without a name it is the first model. The name is only compared: no file is opened.
    """
    for model, settings in layer.by_model.items():
        if name is None or name in names_of(settings.generator.model.source):
            return model, settings
    return None


def _first_of_models(layer: Any) -> Any:
    """Make the first of a layer's `models` the layer's own model if it has no `generator`.

    Raises ValidationError with the path of a fault in one of `models`.
    """
    if not isinstance(layer, dict) or not isinstance(layer.get("models"), list | tuple):
        return layer
    models = layer["models"]
    for number, model in enumerate(models):
        try:
            ModelSettings.model_validate(model)
        except ValidationError as error:
            raise _at(("models", number), error) from None
    if "generator" in layer:
        return layer
    for key in OF_ONE_MODEL:
        if key in layer:
            raise ValueError(f"{key} belongs to a single model: set it in each entry of models")
    if not models:
        raise ValueError("models must list at least one model")
    first = models[0]
    fields = first if isinstance(first, dict) else first.model_dump()
    return {**fields, "models": models[1:]}


def _at(place: tuple[str | int, ...], error: ValidationError) -> ValidationError:
    """Return the same faults, each with `place` prefixed to its own location."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return ValidationError.from_exception_data(
        error.title,
        [
            InitErrorDetails(
                type=_as_it_was(fault),
                loc=(*place, *fault["loc"]),
                input=None,
            )
            for fault in faults
        ],
    )


def _as_it_was(fault: Any) -> PydanticCustomError:
    return PydanticCustomError(fault["type"], fault["msg"])


def _name_faults(models: Iterable[ModelSettings]) -> Iterator[str]:
    """Yield a sentence for each pair of models of a layer that a request could not tell apart."""
    for one, other in combinations(models, 2):
        sources = [each.generator.model.source for each in (one, other)]
        if not set(names_of(sources[0])).isdisjoint(names_of(sources[1])):
            same = model_id(other)
            yield f"two of its models are called {same}: list the model once, or rename one of the folders"


@dataclass(frozen=True)
class Defaults:
    """Steps, guidance, and a size in pixels."""

    num_inference_steps: int
    guidance_scale: float
    width: int
    height: int


STABLE_DIFFUSION: dict[LayerKind, Defaults] = {
    "character": Defaults(25, 7.5, 384, 512),
    "background": Defaults(20, 6.0, 512, 384),
}
"""The defaults of every Stable Diffusion 1, 2 and XL. Other families take only the shapes from here."""


def layer_defaults(kind: LayerKind, settings: ModelSettings) -> Defaults:
    """Return the defaults of a layer that one of its models paints.

    A family other than Stable Diffusion has the layer's shape scaled to its native pixels.
    """
    contract, given = STABLE_DIFFUSION[kind], settings.defaults
    card = card_of(settings.generator.model)
    family = card.family
    steps, guidance = contract.num_inference_steps, contract.guidance_scale
    width, height = contract.width, contract.height
    if not family.quality_terms:
        steps, guidance = family.num_inference_steps, family.guidance_scale
        steps = steps if card.num_inference_steps is None else card.num_inference_steps
        guidance = guidance if card.guidance_scale is None else card.guidance_scale
        scale = (card.native_size[0] * card.native_size[1]) ** 0.5 / NATIVE_PX
        width, height = (_multiple(side * scale, card.latent_factor) for side in (width, height))
    if given.guidance_scale is not None and family.takes_guidance_scale:
        guidance = given.guidance_scale  # Otherwise it may be from DEFAULT_GUIDANCE, which sets all models.
    return Defaults(
        steps if given.num_inference_steps is None else given.num_inference_steps,
        guidance,
        width if given.width is None else given.width,
        height if given.height is None else given.height,
    )


def _multiple(side_px: float, factor: int) -> int:
    return max(1, round(side_px / factor)) * factor
