"""From the wire to jobs: defaults filled in, seeds chosen, sizes checked against the layer's own model."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from deployments.diffusion.registry import describe
from deployments.errors import InvalidRequest
from deployments.messages import Fallback, LayerJob, LayerKind, MergeJob, PictureFormat

from .config import LayerSettings, Limits, ServiceConfig
from .schema import CharacterRequest, Layer, LayerRequest, SceneRequest

SEED_BITS = 32


@dataclass(frozen=True)
class SceneJob:
    """Three jobs that make one scene, and when it must be done (wall clock, seconds)."""

    character: LayerJob
    background: LayerJob
    merge: MergeJob
    deadline_at: float


def admit_scene(
    request: SceneRequest, config: ServiceConfig, request_id: str, accepted: PictureFormat | None
) -> SceneJob:
    """Raises InvalidRequest with the parameter's path."""
    limits = config.limits
    _check_frame(request.merge.width, "merge.width", limits)
    _check_frame(request.merge.height, "merge.height", limits)
    deadline_at = time.time() + request.deadline_s
    cut_out = request.merge.mode != "paste"

    def layer(kind: LayerKind, asked: Layer, settings: LayerSettings) -> LayerJob:
        seed = asked.seed if asked.seed is not None else request.seed
        return _job(
            kind,
            asked,
            settings,
            limits,
            request_id,
            seed,
            deadline_at,
            request.fallback,
            param=f"{kind}.",
            plain_backdrop=kind == "character" and cut_out,
        )

    mark = None
    if request.attribution:
        mark = describe(config.character.generator.model.source).attribution_mark
    return SceneJob(
        layer("character", request.character, config.character),
        layer("background", request.background, config.background),
        MergeJob(
            request_id,
            request.merge.options(),
            request.output.options(accepted),
            request.enhance,
            mark,
            request.layers,
        ),
        deadline_at,
    )


def admit_layer(kind: LayerKind, request: LayerRequest, config: ServiceConfig, request_id: str) -> LayerJob:
    """Raises InvalidRequest with the parameter's path."""
    settings = config.character if kind == "character" else config.background
    cutout = isinstance(request, CharacterRequest) and request.cutout
    deadline_at = time.time() + request.deadline_s
    return _job(
        kind,
        request,
        settings,
        config.limits,
        request_id,
        request.seed,
        deadline_at,
        request.fallback,
        plain_backdrop=cutout,
    )


def _job(
    kind: LayerKind,
    asked: Layer,
    settings: LayerSettings,
    limits: Limits,
    request_id: str,
    seed: int | None,
    deadline_at: float,
    fallback: Fallback,
    param: str = "",
    plain_backdrop: bool = False,
) -> LayerJob:
    defaults, model = settings.defaults, settings.generator.model.source
    card = describe(model)
    # Only ever compared: a model named by a request is never looked up, since that would open files.
    if asked.model is not None and asked.model not in (model, card.id, *card.aliases):
        raise InvalidRequest(f"this service paints the {kind} with {card.id}", f"{param}model")
    factor = 8 if settings.generator.backend == "simulated" else card.latent_factor
    width = _side(asked.width, defaults.width, f"{param}width", factor, limits)
    height = _side(asked.height, defaults.height, f"{param}height", factor, limits)
    steps = asked.num_inference_steps or defaults.num_inference_steps
    if steps > limits.max_steps:
        message = f"num_inference_steps is at most {limits.max_steps} here"
        raise InvalidRequest(message, f"{param}num_inference_steps")
    guidance = defaults.guidance_scale if asked.guidance_scale is None else asked.guidance_scale
    return LayerJob(
        request_id,
        kind,
        asked.prompt,
        steps,
        guidance,
        secrets.randbits(SEED_BITS) if seed is None else seed,
        width,
        height,
        deadline_at,
        asked.negative_prompt,
        asked.enhance_prompt,
        plain_backdrop and asked.enhance_prompt,
        fallback,
    )


def _side(asked: int | None, default: int, param: str, factor: int, limits: Limits) -> int:
    side = default if asked is None else asked
    _check_frame(side, param, limits)
    if side % factor:
        nearest = max(limits.min_image_size, round(side / factor) * factor)
        raise InvalidRequest(f"{param} must be a multiple of {factor}; the nearest is {nearest}", param)
    return side


def _check_frame(side: int, param: str, limits: Limits) -> None:
    if not limits.min_image_size <= side <= limits.max_image_size:
        raise InvalidRequest(
            f"{param} must be between {limits.min_image_size} and {limits.max_image_size} pixels", param
        )
