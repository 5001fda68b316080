"""Resolve a layer's `speed` options, and refuse those that would have no effect."""

from __future__ import annotations

from pydantic import Field

from deployments.diffusion.model.registry import ModelCard
from deployments.errors import InvalidRequest
from deployments.messages import MAX_GUIDANCE_CACHE

from .wire import Wire


class Speed(Wire):
    """The accuracy that a picture gives up for speed; the response declares it in `degraded`."""

    cache: int | None = Field(
        None,
        ge=2,
        le=MAX_GUIDANCE_CACHE,
        description="how many steps share one computation of the guidance: the first computes it, and the "
        "others reuse it at half the cost; needs a layer with guidance",
    )


def guidance_cache_of(speed: Speed, card: ModelCard, guidance_scale: float, prefix: str) -> int:
    """Return the number of steps that share one computed guidance; 1 if every step computes its own.

    Raises InvalidRequest, with the parameter's path, if such a picture has no guidance.
    """
    if speed.cache is None:
        return 1
    family, param = card.family, f"{prefix}speed.cache"
    if family.guidance != "classifier_free":
        message = f"{param} is not supported by {card.id}: {family.title} computes no guidance to reuse"
        raise InvalidRequest(message, param)
    if guidance_scale <= family.guided_above:
        message = (
            f"{param} needs guidance: set guidance_scale above {family.guided_above:g}, or leave cache out"
        )
        raise InvalidRequest(message, param)
    return speed.cache
