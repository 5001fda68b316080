"""Turn requests into jobs: fill in defaults, choose seeds, check sizes against each layer's own model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from deployments.diffusion.model.registry import describe
from deployments.errors import InvalidRequest
from deployments.messages import (
    FigureOptions,
    LayerJob,
    LayerKind,
    MergeJob,
    MergeOptions,
    OutputOptions,
    PictureFormat,
    Position,
)

from ..config.request_limits import Limits
from ..config.service_config import ServiceConfig
from ..graph.scene_job import SceneJob
from .known_pictures import NONE, Known
from .layer_schema import CharacterRequest, Layer, LayerRequest, Output
from .loras import with_lora_files
from .resolve_layer import check_upscaled, feet_on_ground, frame_size, layer_job
from .scene_schema import At, Merge, Placing, SceneRequest

Admitted = TypeVar("Admitted")
SEEDS = 2**53
"""The number of seeds, which count from 0 (serve/api/wire.py)."""


async def admit(work: Callable[[], Admitted], layers: Iterable[Layer]) -> Admitted:
    """Admit these layers by `work`, off the event loop if any names LoRAs, since that reads their files."""
    return await with_lora_files(work) if any(layer.loras for layer in layers) else work()


def admit_scene(
    request: SceneRequest,
    config: ServiceConfig,
    request_id: str,
    accepted: PictureFormat | None,
    tenant: str = "",
    pictures: Known = NONE,
    deadline_at: float | None = None,
) -> SceneJob:
    """Turn a scene's request into a job. Its deadline counts from now unless `deadline_at` is given.

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
            seed = (seed + figure) % SEEDS  # Figures with equal descriptions differ by their seeds.
        job = layer_job(
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
        options = replace(options, feet=feet_on_ground(character))
    merge = MergeJob(
        request_id,
        options,
        output_options(request.output, config, accepted),
        request.enhance,
        attribution_mark(config, *painted) if request.attribution else None,
        request.layers,
        tenant,
        figures=tuple(
            replace(figure_options(requested), feet=feet_on_ground(job))
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
    """Turn a layer's request into a job. Its deadline counts from now unless `deadline_at` is given.

    Raises InvalidRequest with the parameter's path.
    """
    cutout = isinstance(request, CharacterRequest) and request.cutout
    if deadline_at is None:
        deadline_at = deadline_of(request.deadline_s, config.limits)
    job = layer_job(
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


def output_options(requested: Output, config: ServiceConfig, accepted: PictureFormat | None) -> OutputOptions:
    quality = config.merge.quality if requested.quality is None else requested.quality
    return OutputOptions(requested.format or accepted or "jpeg", quality, requested.upscale)


def attribution_mark(config: ServiceConfig, *jobs: LayerJob) -> str:
    """Return the text of a scene's visible mark, which names every model that painted it.

    Without jobs it is a merge of files, which do not say what painted them: name each layer's first model.
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
    """Return the position, scale and depth of one of several figures."""
    position = None if requested.position is None else _place(requested.position)
    return FigureOptions(position, requested.scale, requested.depth)


def refuse_one_position(requested: Merge) -> None:
    """Refuse `merge.position`, which places a single figure. Raises InvalidRequest."""
    if requested.position is not None:
        message = (
            "merge.position places a single figure: give each of several its own position, or none to spread"
            " them evenly"
        )
        raise InvalidRequest(message, "merge.position")


def _place(requested: Position | At) -> Position | float:
    return requested.x if isinstance(requested, At) else requested


def deadline_of(deadline_s: float, limits: Limits) -> float:
    """Return the time `deadline_s` from now on the monotonic clock. Raises InvalidRequest."""
    if not 0 < deadline_s <= limits.max_deadline_s:
        message = f"deadline_s must be more than 0 and at most {limits.max_deadline_s:g} seconds"
        raise InvalidRequest(message, "deadline_s")
    return time.monotonic() + deadline_s
