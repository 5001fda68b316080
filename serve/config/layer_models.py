"""The models of a layer: their names in requests, and the names of their generators and deployments.

A generator's name (deployments/messages.py) is `character` for the first model of that layer, and
`character:MODEL` for each other one. Its deployment is `Character`, or `Character-MODEL` as Ray can spell it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from deployments.diffusion.model.registry import card_of, describe

if TYPE_CHECKING:
    from .service_config import LayerSettings, ModelSettings

LONGEST_NAME = 80
"""Letters of a deployment's name: Ray makes the names of log files and processes of it."""
OF_ONE_MODEL = ("replicas", "defaults")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def names_of(source: str) -> tuple[str, ...]:
    """Return every name by which a request may ask for a configured model."""
    card = describe(source)
    return (source, card.id, *card.aliases)


def model_id(settings: ModelSettings) -> str:
    """Return the id of a configured model, as `/v1/models` has it."""
    return card_of(settings.generator.model).id


def find_model(layer: LayerSettings, name: str | None) -> tuple[str, ModelSettings] | None:
    """Return a model that a request asks for: its `LayerJob.model`, and its settings. None if it is unknown.

    No name means the first. The name is only compared, and opens no file.
    """
    for model, settings in layer.by_model.items():
        if name is None or name in names_of(settings.generator.model.source):
            return model, settings
    return None


def deployment_names(generators: Iterable[str]) -> dict[str, str]:
    """Return the deployment's name of each generator; two that Ray would spell alike are numbered."""
    names: dict[str, str] = {}
    for generator in generators:
        kind, _, model = generator.partition(":")
        parts = (kind.capitalize(), UNSAFE.sub("-", model).strip("-"))
        name = plain = "-".join(filter(None, parts))[:LONGEST_NAME]
        number = 1
        while name in names.values():
            number += 1
            name = f"{plain}-{number}"
        names[generator] = name
    return names


def settings_path(generator: str) -> str:
    """Return the place of a generator's settings in the configuration, for messages."""
    kind, _, model = generator.partition(":")
    return f"{kind}.models[{model}]" if model else kind


def first_of_models(layer: Any, settings_class: type[ModelSettings]) -> Any:
    """Make the first of a layer's `models` the layer's own model, where it has no `generator`.

    Raises ValidationError with the path of what is wrong with one of them.
    """
    if not isinstance(layer, dict) or not isinstance(layer.get("models"), list | tuple):
        return layer
    models = layer["models"]
    for number, model in enumerate(models):
        try:
            settings_class.model_validate(model)
        except ValidationError as error:
            raise _at(("models", number), error) from None
    if "generator" in layer:
        return layer
    for key in OF_ONE_MODEL:
        if key in layer:
            raise ValueError(f"{key} is for one model: set it in each of models")
    if not models:
        raise ValueError("models must list at least one model")
    first = models[0]
    fields = first if isinstance(first, dict) else first.model_dump()
    return {**fields, "models": models[1:]}


def _at(place: tuple[str | int, ...], error: ValidationError) -> ValidationError:
    """Return the same faults, with the place of what they are in before their own."""
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


def name_faults(models: Iterable[ModelSettings]) -> Iterator[str]:
    """Yield a sentence for each two models of a layer that a request could not tell apart."""
    for one, other in combinations(models, 2):
        sources = [each.generator.model.source for each in (one, other)]
        if not set(names_of(sources[0])).isdisjoint(names_of(sources[1])):
            same = model_id(other)
            yield f"two of its models are called {same}: list it once, or give the other folder another name"
