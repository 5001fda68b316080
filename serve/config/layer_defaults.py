"""Fill in what a request leaves out: the operator's defaults, else those of the model's family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.diffusion.model.registry import card_of, family_by_name
from deployments.messages import LayerKind

if TYPE_CHECKING:
    from .service_config import ModelSettings

NATIVE_PX = 512
"""The side of the picture that Stable Diffusion 1 was trained on, for which the sizes below are."""


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
"""Those of every Stable Diffusion 1, 2 and XL, and the shapes of every other family."""


def layer_defaults(kind: LayerKind, settings: ModelSettings) -> Defaults:
    """Return a layer's defaults with one of its models.

    A family that is no Stable Diffusion has its shape in its native pixels.
    """
    contract, given = STABLE_DIFFUSION[kind], settings.defaults
    card = card_of(settings.generator.model)
    family = family_by_name(card.family)
    steps, guidance = contract.num_inference_steps, contract.guidance_scale
    width, height = contract.width, contract.height
    if not family.quality_terms:
        steps, guidance = family.num_inference_steps, family.guidance_scale
        steps = steps if card.num_inference_steps is None else card.num_inference_steps
        guidance = guidance if card.guidance_scale is None else card.guidance_scale
        scale = (card.native_size[0] * card.native_size[1]) ** 0.5 / NATIVE_PX
        width, height = (_multiple(side * scale, card.latent_factor) for side in (width, height))
    if given.guidance_scale is not None and family.takes_guidance_scale:
        guidance = given.guidance_scale  # Else DEFAULT_GUIDANCE may be set, which is for every model.
    return Defaults(
        steps if given.num_inference_steps is None else given.num_inference_steps,
        guidance,
        width if given.width is None else given.width,
        height if given.height is None else given.height,
    )


def _multiple(side_px: float, factor: int) -> int:
    return max(1, round(side_px / factor)) * factor
