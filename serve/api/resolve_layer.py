"""Turn one layer's request into a job, by its model's defaults, sizes and tasks."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from typing import Any

from deployments.diffusion.model.registry import ModelCard, card_of
from deployments.errors import ContentRefused, InvalidRequest
from deployments.imaging.files.picture_encoding import upscaled_size
from deployments.messages import Fallback, Feet, LayerJob, LayerKind

from ..config.layer_settings import ModelSettings, find_model, layer_defaults, model_id
from ..config.request_limits import Limits
from ..config.service_config import ServiceConfig
from ..safety.words import has_blocked_word
from .guides import Start, feet_of, guides_of, start_of
from .known_pictures import NONE, Known
from .layer_schema import CastUse, Layer
from .loras import loras_of
from .speed import guidance_cache_of

SEED_BITS = 32
STARTS = ("image", "strength", "mask")
GUIDES = ("references", "reference_scale", "pose", "pose_scale")


def layer_job(
    kind: LayerKind,
    requested: Layer,
    config: ServiceConfig,
    request_id: str,
    seed: int | None,
    deadline_at: float,
    fallback: Fallback,
    tenant: str,
    param: str = "",
    plain_backdrop: bool = False,
    frame: Size | None = None,
    pictures: Known = NONE,
) -> LayerJob:
    """Make a layer's job.

    `frame` is the frame that this layer fills. The layer takes its shape, unless the request gives a size or
    a picture to start from: then it takes that size, or the picture's.
    """
    limits, layer = config.limits, config.layers[kind]
    found = find_model(layer, requested.model)
    if found is None:
        served = " or ".join(map(model_id, layer.by_model.values()))
        message = f"{param}model must be one that this service paints the {kind} with: {served}"
        raise InvalidRequest(message, f"{param}model")
    model, settings = found
    defaults, card = layer_defaults(kind, settings), card_of(settings.generator.model)
    default = (defaults.width, defaults.height)
    start = Start()
    if _gives(requested, STARTS) or not card.family.from_words:
        start = start_of(requested, pictures, settings, card, param)
    use = requested.use
    if start.image is not None:
        default = (start.image.width, start.image.height)
        if use is not None and use.starts:  # A reference's size is not a requested size.
            default = frame_shaped(default, card, limits)
    elif frame is not None and requested.width is None and requested.height is None:
        default = frame_shaped(frame, card, limits)
    width, height = layer_size(
        (requested.width, requested.height), default, latent_factor(settings), limits, param
    )
    guides: dict[str, Any] = {}
    if _gives(requested, GUIDES):
        guides = vars(guides_of(requested, pictures, settings, card, param))
    steps = requested.num_inference_steps
    steps = defaults.num_inference_steps if steps is None else steps
    guidance = defaults.guidance_scale if requested.guidance_scale is None else requested.guidance_scale
    _check_supported(requested, card, param)
    _within(1, limits.max_steps, steps, f"{param}num_inference_steps")
    _within(0, limits.max_guidance, guidance, f"{param}guidance_scale")
    for name in ("prompt", "negative_prompt"):
        if len(getattr(requested, name) or "") > limits.max_prompt_chars:
            message = f"{param}{name} must be at most {limits.max_prompt_chars} characters"
            raise InvalidRequest(message, f"{param}{name}")
    blocked = config.safety.blocked_words
    if blocked and has_blocked_word(blocked, requested.prompt):
        raise ContentRefused(f"{param}prompt has words that are not allowed here", f"{param}prompt")
    return LayerJob(
        request_id=request_id,
        kind=kind,
        prompt=requested.prompt,
        num_inference_steps=steps,
        guidance_scale=guidance,
        seed=secrets.randbits(SEED_BITS) if seed is None else seed,
        width_px=width,
        height_px=height,
        deadline_at=deadline_at,
        negative_prompt=requested.negative_prompt,
        enhance_prompt=requested.enhance_prompt,
        plain_backdrop=plain_backdrop and requested.enhance_prompt,
        fallback=fallback,
        tenant=tenant,
        model=model,
        image=start.image.name if start.image else None,
        strength=start.strength,
        mask=start.mask.name if start.mask else None,
        loras=loras_of(requested.loras, settings, card, param) if requested.loras else (),
        cast=use.name if use else "",
        cast_version=use.version if use else 0,
        reference=_compared_with(kind, use, pictures),
        guidance_cache=guidance_cache_of(requested.speed, card, guidance, param) if requested.speed else 1,
        **guides,
    )


def _gives(requested: Layer, fields: Iterable[str]) -> bool:
    return any(getattr(requested, name) is not None for name in fields)


def _compared_with(kind: LayerKind, use: CastUse | None, pictures: Known) -> str | None:
    """Return the file that a member's figure is compared with; None for a background, or if there is none."""
    if kind != "character" or use is None or use.reference is None:
        return None
    return pictures[use.reference].name


def feet_on_ground(job: LayerJob) -> Feet | None:
    return feet_of(job.pose) if job.pose else None


def _check_supported(requested: Layer, card: ModelCard, param: str) -> None:
    """Refuse options that the model's family cannot use. Raises InvalidRequest with the parameter's path."""
    family = card.family
    if requested.negative_prompt and not family.takes_negative_prompt:
        message = f"{param}negative_prompt is not supported by {card.id}: {family.title} takes none"
        raise InvalidRequest(message, f"{param}negative_prompt")
    if requested.guidance_scale in (None, family.guidance_scale) or family.takes_guidance_scale:
        return
    message = f"{param}guidance_scale is not supported by {card.id}: {family.title} works without guidance"
    raise InvalidRequest(message, f"{param}guidance_scale")


def latent_factor(settings: ModelSettings) -> int:
    """Return the number that the sides of a model's pictures are multiples of."""
    if settings.generator.backend == "simulated":
        return 8
    return card_of(settings.generator.model).latent_factor


def _within(least: float, most: float, value: float, param: str) -> None:
    if not least <= value <= most:
        raise InvalidRequest(f"{param} must be between {least:g} and {most:.10g}", param)


Size = tuple[int, int]
"""(width, height) in pixels."""
COARSE_PX = 64
LONGEST_SHAPE = 2.0


def layer_size(
    requested: tuple[int | None, int | None], default: Size, factor: int, limits: Limits, prefix: str
) -> Size:
    """Return a layer's size.

    Sides are multiples of the model's latent factor. Raises InvalidRequest with the parameter's path.
    """
    size = _filled(requested, default, factor, limits.max_image_size, limits, prefix)
    for name, side in zip(("width", "height"), requested, strict=True):
        if side is not None and side % factor:
            param = f"{prefix}{name}"
            nearest = max(
                limits.min_image_size, min(round(side / factor), limits.max_image_size // factor) * factor
            )
            raise InvalidRequest(f"{param} must be a multiple of {factor}; the nearest is {nearest}", param)
    return size


def frame_shaped(frame: Size, card: ModelCard, limits: Limits) -> Size:
    """Return the size at which a model should paint to fill `frame`.

    If the model's training sizes are known, this is the one nearest in shape.

    If only a native size is known, this is the frame's shape (no longer than 2:1) at about as many pixels, in
    multiples of 64, which every level of a Stable Diffusion UNet halves evenly.
    """
    shape = frame[0] / frame[1]
    if card.trained_sizes:
        return min(card.trained_sizes, key=lambda size: abs(math.log(size[0] / size[1] / shape)))
    shape = min(max(shape, 1 / LONGEST_SHAPE), LONGEST_SHAPE)
    most = limits.max_image_size // COARSE_PX * COARSE_PX
    area = card.native_size[0] * card.native_size[1]
    sizes = [
        (width, max(COARSE_PX, round(width / shape / COARSE_PX) * COARSE_PX))
        for width in range(COARSE_PX, most + 1, COARSE_PX)
    ]
    fitting = [size for size in sizes if size[1] <= most] or [(COARSE_PX, COARSE_PX)]

    def misfit(size: Size) -> float:
        width, height = size
        return 2 * abs(math.log(width / height / shape)) + abs(math.log(width * height / area))

    return min(fitting, key=misfit)


def frame_size(requested: tuple[int | None, int | None], default: Size, limits: Limits) -> Size:
    """Return the size of a merge's frame. Raises InvalidRequest with the parameter's path."""
    return _filled(requested, default, 1, limits.max_frame_size or limits.max_image_size, limits, "merge.")


def check_upscaled(size: Size, factor: float, limits: Limits) -> None:
    """Raise InvalidRequest if a picture of this size would be upscaled beyond the limit."""
    most = limits.max_upscaled_size
    if factor != 1.0 and max(upscaled_size(*size, factor)) > most:
        message = (
            f"output.upscale must be at most {math.floor(100 * most / max(size)) / 100:g} for a picture of"
            f" {size[0]} x {size[1]} pixels: no side may exceed {most}"
        )
        raise InvalidRequest(message, "output.upscale")


def _filled(
    requested: tuple[int | None, int | None],
    default: Size,
    factor: int,
    most: int,
    limits: Limits,
    prefix: str,
) -> Size:
    for name, side in zip(("width", "height"), requested, strict=True):
        if side is not None and not limits.min_image_size <= side <= most:
            param = f"{prefix}{name}"
            bounds = f"between {limits.min_image_size} and {most} pixels"
            raise InvalidRequest(f"{param} must be {bounds}", param)
    scale = min(1.0, most / max(default))
    width, height = (max(limits.min_image_size, int(side * scale) // factor * factor) for side in default)
    return requested[0] or width, requested[1] or height
