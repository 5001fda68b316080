"""Add a story's style to the layers of a page: prompt, negative prompt and LoRAs."""

from __future__ import annotations

from typing import TypeVar

from deployments.background import BACKGROUND_NEGATIVE
from deployments.character import CHARACTER_NEGATIVE
from deployments.errors import InvalidRequest
from deployments.generator import GeneratorConfig
from deployments.messages import MAX_LORAS, LayerKind

from ..api.layer_schema import Layer, LoraInput
from ..api.loras import offered_loras
from ..config.layer_settings import ModelSettings, find_model
from ..config.service_config import ServiceConfig
from .story_schema import Style

AnyLayer = TypeVar("AnyLayer", bound=Layer)
NEGATIVES: dict[LayerKind, str] = {
    "character": CHARACTER_NEGATIVE,
    "background": BACKGROUND_NEGATIVE,
}
"""The negative prompt of a layer without one whose model takes one; a story's style is added to it."""


class LayerStyles:
    """Style the layers of one page. Raises InvalidRequest with the parameter's path, in the page or story."""

    def __init__(self, style: Style, config: ServiceConfig) -> None:
        self._style, self._config = style, config
        self._loras = style.loras or []
        self._used: set[str] = set()
        self._unknown = False
        for index, lora in enumerate(self._loras):
            if lora.name in {each.name for each in self._loras[:index]}:
                param = _lora_param(index)
                raise InvalidRequest(f"{param}: the LoRA {lora.name} is listed twice", param)

    def apply(self, layer: AnyLayer, kind: LayerKind, path: str) -> AnyLayer:
        """Return a layer with the style added after its own."""
        style, changes = self._style, dict[str, object]()
        found = find_model(self._config.layers[kind], layer.model)
        settings = None if found is None else found[1]
        if style.prompt:
            changes["prompt"] = f"{layer.prompt}, {style.prompt}"
        if style.negative_prompt and (settings is None or settings.generator.takes_negative_prompt):
            avoided = _avoided(layer, kind, None if settings is None else settings.generator)
            changes["negative_prompt"] = ", ".join(filter(None, (avoided, style.negative_prompt)))
        if self._loras and (more := self._loras_for(layer, settings)):
            loras = [*(layer.loras or ()), *more]
            if len(loras) > MAX_LORAS:
                message = f"{path}loras and the style have {len(loras)} LoRAs together, more than {MAX_LORAS}"
                raise InvalidRequest(message, f"{path}loras")
            changes["loras"] = loras
        return layer.model_copy(update=changes) if changes else layer

    def check_used(self) -> None:
        """Refuse a LoRA that no layer's model has."""
        for index, lora in enumerate(self._loras):
            if lora.name not in self._used and not self._unknown:
                param = _lora_param(index)
                raise InvalidRequest(f"{param}: no model of this page has the LoRA {lora.name}", param)

    def _loras_for(self, layer: Layer, settings: ModelSettings | None) -> list[LoraInput]:
        """Return the style's LoRAs that a layer's model has and the layer does not name."""
        if settings is None:
            self._unknown = True  # The model is refused later.
            return []
        offered, own = offered_loras(settings), {each.name for each in layer.loras or ()}
        more = []
        for index, lora in enumerate(self._loras):
            file = offered.get(lora.name)
            if file is None:
                continue
            if file.fault:
                raise InvalidRequest(f"the LoRA {lora.name} cannot be used: {file.fault}", _lora_param(index))
            self._used.add(lora.name)
            if lora.name not in own:
                more.append(lora)
        return more


def _avoided(layer: Layer, kind: LayerKind, generator: GeneratorConfig | None) -> str:
    """Return a layer's negative prompt without the style."""
    if layer.negative_prompt is not None:
        return layer.negative_prompt
    return NEGATIVES[kind] if generator is None or generator.adds_quality_terms else ""


def _lora_param(index: int) -> str:
    return f"style.loras.{index}.name"
