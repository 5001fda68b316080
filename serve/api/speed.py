"""Read what a layer gives up to be painted faster, and refuse it where there is nothing to give up."""

from __future__ import annotations

from pydantic import Field

from deployments.diffusion.model.registry import ModelCard
from deployments.errors import InvalidRequest
from deployments.messages import MAX_GUIDANCE_CACHE

from .wire import Wire


class Speed(Wire):
    """Exactness that a picture gives up for speed; the answer declares it in `degraded`."""

    cache: int | None = Field(
        None,
        ge=2,
        le=MAX_GUIDANCE_CACHE,
        description="one of so many steps computes the guidance, and the others take it again, at half the "
        "cost: for a layer with guidance",
    )


def guidance_cache_of(speed: Speed, card: ModelCard, guidance_scale: float, prefix: str) -> int:
    """Return of how many steps one computes the guidance: 1 where all of them do.

    Raises InvalidRequest, with the parameter's path, where such a picture has no guidance.
    """
    if speed.cache is None:
        return 1
    family, param = card.family, f"{prefix}speed.cache"
    if family.guidance != "classifier_free":
        message = f"{param} is not for {card.id}: {family.title} paints without rows of guidance"
        raise InvalidRequest(message, param)
    if guidance_scale <= family.guided_above:
        message = f"{param} is for a layer with guidance, a guidance_scale above {family.guided_above:g}"
        raise InvalidRequest(message, param)
    return speed.cache
