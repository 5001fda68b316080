"""Turn requests into jobs: fill in defaults, choose seeds, check sizes against each layer's own model."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any

from deployments.diffusion.model.registry import (
    ModelCard,
    card_of,
    describe,
)
from deployments.errors import ContentRefused, InvalidRequest
from deployments.messages import (
    Fallback,
    Feet,
    FigureOptions,
    LayerJob,
    LayerKind,
    MergeJob,
    MergeOptions,
    OutputOptions,
    PictureFormat,
    Position,
)

from ..config.layer_settings import ModelSettings, find_model, layer_defaults, model_id
from ..config.request_limits import Limits
from ..config.service_config import ServiceConfig
from ..graph.scene_job import SceneJob
from ..safety.words import has_blocked_word
from .guides import feet_of, guides_of
from .input_pictures import NONE, Known, start_of
from .layer_schema import CastUse, CharacterRequest, Layer, LayerRequest, Output
from .loras import loras_of
from .scene_schema import At, Merge, Placing, SceneRequest
from .sizes import Size, check_upscaled, frame_shaped, frame_size, layer_size

SEED_BITS = 32
GUIDES = ("references", "reference_scale", "pose", "pose_scale")
SEEDS = 2**53
"""As many seeds as there are, from 0 (serve/api/wire.py)."""


def admit_scene(
    request: SceneRequest,
    config: ServiceConfig,
    request_id: str,
    accepted: PictureFormat | None,
    tenant: str = "",
    pictures: Known = NONE,
    deadline_at: float | None = None,
) -> SceneJob:
    """Turn a scene's request into a job, whose deadline counts from now unless it is given.

    Raises InvalidRequest with the parameter's path.
    """
    options = merge_options(request.merge, config)
    check_upscaled((options.width_px, options.height_px), request.output.upscale, config.limits)
    if deadline_at is None:
        deadline_at = deadline_of(request.deadline_s, config.limits)
    frame = None if options.mode == "paste" else (options.width_px, options.height_px)

    def layer(kind: LayerKind, requested: Layer, figure: int | None = None) -> LayerJob:
        seed = requested.seed if requested.seed is not None else request.seed
        if figure and requested.seed is None and seed is not None:
            seed = (seed + figure) % SEEDS  # Two equal descriptions are two figures.
        job = _job(
            kind,
            requested,
            config,
            request_id,
            seed,
            deadline_at,
            request.fallback,
            tenant,
            param=f"{kind}." if figure is None else f"{kind}s.{figure}.",
            pictures=pictures,
            plain_backdrop=kind == "character" and options.mode != "paste",
            frame=frame if kind == "background" and config.merge.background_size == "frame" else None,
        )
        return replace(job, figure=figure)

    several = request.characters or []
    if several:
        refuse_one_position(request.merge)
    character = None if request.character is None else layer("character", request.character)
    background = layer("background", request.background)
    characters = tuple(layer("character", requested, index) for index, requested in enumerate(several))
    painted = (*filter(None, (character,)), *characters, background)
    if character is not None:
        options = replace(options, feet=_feet(character))
    merge = MergeJob(
        request_id,
        options,
        output_options(request.output, config, accepted),
        request.enhance,
        attribution_mark(config, *painted) if request.attribution else None,
        request.layers,
        tenant,
        figures=tuple(
            replace(figure_options(requested), feet=_feet(job))
            for requested, job in zip(several, characters, strict=True)
        ),
    )
    return SceneJob(character, background, merge, deadline_at, characters)


def admit_layer(
    kind: LayerKind,
    request: LayerRequest,
    config: ServiceConfig,
    request_id: str,
    tenant: str = "",
    pictures: Known = NONE,
    deadline_at: float | None = None,
) -> LayerJob:
    """Turn a layer's request into a job, whose deadline counts from now unless it is given.

    Raises InvalidRequest with the parameter's path.
    """
    cutout = isinstance(request, CharacterRequest) and request.cutout
    if deadline_at is None:
        deadline_at = deadline_of(request.deadline_s, config.limits)
    job = _job(
        kind,
        request,
        config,
        request_id,
        request.seed,
        deadline_at,
        request.fallback,
        tenant,
        plain_backdrop=cutout,
        pictures=pictures,
    )
    check_upscaled((job.width_px, job.height_px), request.output.upscale, config.limits)
    return replace(job, param="")


def _job(
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

    `frame`: the one that this layer fills and whose shape it takes, unless the request gives a size, or a
    picture to start from, whose size it takes.
    """
    limits, layer = config.limits, config.layers[kind]
    found = find_model(layer, requested.model)
    if found is None:
        served = " or ".join(map(model_id, layer.by_model.values()))
        raise InvalidRequest(f"this service paints the {kind} with {served}", f"{param}model")
    model, settings = found
    defaults, card = layer_defaults(kind, settings), card_of(settings.generator.model)
    default = (defaults.width, defaults.height)
    start = start_of(requested, pictures, settings, card, param)
    use = requested.use
    if start.image is not None:
        default = (start.image.width, start.image.height)
        if use is not None and use.starts:  # A reference may be of any size, and is no wish for it.
            default = frame_shaped(default, card, limits)
    elif frame is not None and requested.width is None and requested.height is None:
        default = frame_shaped(frame, card, limits)
    width, height = layer_size(
        (requested.width, requested.height), default, latent_factor(settings), limits, param
    )
    guides: dict[str, Any] = {}
    if any(getattr(requested, name) is not None for name in GUIDES):
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
        **guides,
    )


def _compared_with(kind: LayerKind, use: CastUse | None, pictures: Known) -> str | None:
    """Return the file that a member's figure is compared with: a place is no figure."""
    if kind != "character" or use is None or use.reference is None:
        return None
    return pictures[use.reference].name


def _feet(job: LayerJob) -> Feet | None:
    return feet_of(job.pose) if job.pose else None


def _check_supported(requested: Layer, card: ModelCard, param: str) -> None:
    """Refuse what the model's family has no use for. Raises InvalidRequest with the parameter's path."""
    family = card.family
    if requested.negative_prompt and not family.takes_negative_prompt:
        message = f"{param}negative_prompt is not for {card.id}: {family.title} reads none"
        raise InvalidRequest(message, f"{param}negative_prompt")
    if requested.guidance_scale in (None, family.guidance_scale) or family.takes_guidance_scale:
        return
    message = f"{param}guidance_scale is not for {card.id}: {family.title} is made to do without"
    raise InvalidRequest(message, f"{param}guidance_scale")


def latent_factor(settings: ModelSettings) -> int:
    """Return the number that the sides of a model's pictures are multiples of."""
    if settings.generator.backend == "simulated":
        return 8
    return card_of(settings.generator.model).latent_factor


def output_options(requested: Output, config: ServiceConfig, accepted: PictureFormat | None) -> OutputOptions:
    quality = config.merge.quality if requested.quality is None else requested.quality
    return OutputOptions(requested.format or accepted or "jpeg", quality, requested.upscale)


def attribution_mark(config: ServiceConfig, *jobs: LayerJob) -> str:
    """Return the text of a scene's visible mark: that of its model, or of all where they are several.

    Without jobs it is a merge of files, which do not say who painted them: the first model of each layer.
    """
    painted = [config.generators[job.generator] for job in jobs]
    models = [settings.generator.model for settings in painted or config.layers.values()]
    return "; ".join(dict.fromkeys(describe(model.source).attribution_mark for model in models))


def merge_options(requested: Merge, config: ServiceConfig) -> MergeOptions:
    default = config.merge
    width, height = frame_size(
        (requested.width, requested.height), (default.width, default.height), config.limits
    )
    return MergeOptions(
        requested.mode or default.mode,
        default.position if requested.position is None else _place(requested.position),
        width,
        height,
        requested.scale,
        requested.harmonize,
        requested.shadow,
        requested.contrast,
    )


def figure_options(requested: Placing) -> FigureOptions:
    """Return where one of several figures stands."""
    position = None if requested.position is None else _place(requested.position)
    return FigureOptions(position, requested.scale, requested.depth)


def refuse_one_position(requested: Merge) -> None:
    """Refuse the position of one figure where there are several. Raises InvalidRequest."""
    if requested.position is not None:
        message = "merge.position is that of one figure: several have one each, or spread evenly without"
        raise InvalidRequest(message, "merge.position")


def _place(requested: Position | At) -> Position | float:
    return requested.x if isinstance(requested, At) else requested


def deadline_of(deadline_s: float, limits: Limits) -> float:
    """Return when a request that may take so long ends, by the monotonic clock. Raises InvalidRequest."""
    if not 0 < deadline_s <= limits.max_deadline_s:
        message = f"deadline_s must be more than 0 and at most {limits.max_deadline_s:g} seconds"
        raise InvalidRequest(message, "deadline_s")
    return time.monotonic() + deadline_s


def _within(least: float, most: float, value: float, param: str) -> None:
    if not least <= value <= most:
        raise InvalidRequest(f"{param} must be between {least:g} and {most:.10g}", param)
