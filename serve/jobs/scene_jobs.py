"""Resolve a job's scenes at submission, so that any later run paints the same picture."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from pydantic import TypeAdapter, ValidationError

from deployments.errors import InvalidRequest
from deployments.merge_work import MEGA, upscaled_px, written_px
from deployments.messages import LayerJob

from ..api.known_pictures import NONE, Known
from ..api.layer_schema import Layer
from ..api.resolve import admit_layer, admit_scene
from ..api.scene_schema import SceneRequest
from ..config.layer_settings import LayerSettings, find_model, model_id
from ..config.service_config import ServiceConfig
from ..graph.scene import scene_megapixels
from ..graph.scene_job import SceneJob
from .single_layers import SingleLayer, SingleLayerRequest
from .states import NewScene

KEPT: TypeAdapter[SceneJob | SingleLayer] = TypeAdapter(SceneJob | SingleLayer)
BYTES_A_PX, PNG_BYTES_A_PX = 0.5, 3
LAYERS_BYTES_A_PX = 5
"""RGBA in PNG, as base64."""


def admit_all(
    scenes: Sequence[SceneRequest | SingleLayerRequest],
    job_id: str,
    config: ServiceConfig,
    owner: str = "",
    pictures: Known = NONE,
) -> list[NewScene]:
    """Resolve a job's scenes. Raises InvalidRequest with the path of the first parameter at fault."""
    return [
        _admit_layer(scene, job_id, number, config, owner, pictures)
        if isinstance(scene, SingleLayerRequest)
        else admit_one(scene, job_id, number, config, owner, pictures)
        for number, scene in enumerate(scenes)
    ]


def name_loras(scenes: Iterable[SceneRequest | SingleLayerRequest]) -> bool:
    """Return whether any layer names LoRAs, whose files are checked when it is admitted."""
    layers = chain.from_iterable(
        (each.requested,)
        if isinstance(each, SingleLayerRequest)
        else (each.character, each.background, *(each.characters or ()))
        for each in scenes
    )
    return any(isinstance(layer, Layer) and layer.loras for layer in layers)


def admit_one(
    scene: SceneRequest,
    job_id: str,
    number: int,
    config: ServiceConfig,
    owner: str = "",
    pictures: Known = NONE,
) -> NewScene:
    """Resolve one scene. Raises InvalidRequest with the parameter's path, as `scenes.3.seed`."""
    if scene.output.sent_as == "url":
        message = "leave out output.as: each scene of a job is kept, and has a url once it is painted"
        raise InvalidRequest(message, f"scenes.{number}.output.as")
    try:
        job = admit_scene(scene, config, f"{job_id}-{number}", None, owner, pictures)
    except InvalidRequest as error:
        raise type(error)(error.message, f"scenes.{number}.{error.param}") from None
    # The deadline is on this process's clock, and means nothing to the process that paints.
    kept = job.with_layers(priority="batch", deadline_at=0.0)
    requested = iter((*(scene.characters or filter(None, (scene.character,))), scene.background))
    kept = kept.map_layers(
        lambda layer: replace(layer, model=_named(config.layers[layer.kind], next(requested)))
    )
    kept = replace(kept, merge=replace(job.merge, priority="batch"), deadline_at=0.0)
    steps = sum(layer.megapixel_steps for layer in job.layers) + scene_megapixels(job)
    return NewScene(KEPT.dump_json(kept).decode(), scene.deadline_s, expected_bytes(job), steps)


def _admit_layer(
    single: SingleLayerRequest, job_id: str, number: int, config: ServiceConfig, owner: str, pictures: Known
) -> NewScene:
    kind, requested = single.kind, single.requested
    job = admit_layer(kind, requested, config, f"{job_id}-{number}", owner, pictures)
    named = _named(config.layers[kind], requested)
    layer = replace(job, model=named, priority="batch", deadline_at=0.0)
    kept = KEPT.dump_json(SingleLayer(layer, single.output, single.cutout)).decode()
    pixels = upscaled_px(job.width_px * job.height_px, single.output)
    a_px = BYTES_A_PX if single.output.format == "jpeg" else PNG_BYTES_A_PX
    steps = job.megapixel_steps + pixels / MEGA
    return NewScene(kept, requested.deadline_s, round(a_px * pixels), steps)


def expected_bytes(job: SceneJob) -> int:
    """Return the expected bytes of a scene's kept file: its picture, or the picture and its layers."""
    *figures_px, place_px = (layer.width_px * layer.height_px for layer in job.layers)
    if job.merge.layers:
        return LAYERS_BYTES_A_PX * written_px(job.merge, figures_px, place_px)
    a_px = PNG_BYTES_A_PX if job.merge.output.format == "png" else BYTES_A_PX
    return round(a_px * written_px(job.merge, figures_px, place_px))


def can_be_painted(kept: str | None) -> bool:
    """Return whether a kept scene still has everything needed to paint it."""
    try:
        KEPT.validate_json(kept or "")
    except ValidationError:
        return False
    return True


def ready_to_paint(kept: str, deadline_s: float, config: ServiceConfig) -> SceneJob | SingleLayer:
    """Return a kept scene's job. Its deadline counts from now, as painting begins: a batch may wait."""
    deadline_at = time.monotonic() + deadline_s
    job = KEPT.validate_json(kept).map_layers(lambda layer: replace(layer, deadline_at=deadline_at))
    served = job.map_layers(lambda layer: _as_served(layer, config.layers[layer.kind]))
    return replace(served, deadline_at=deadline_at) if isinstance(served, SceneJob) else served


def _named(layer: LayerSettings, requested: Layer) -> str:
    """Return the id of the model that a request names, or an empty string if it names none.

    A layer's first model may be a different one by the time the job is painted.
    """
    found = find_model(layer, requested.model)
    return model_id(found[1]) if requested.model is not None and found is not None else ""


def _as_served(job: LayerJob, layer: LayerSettings) -> LayerJob:
    """Return a kept layer's job with its model as it is served now."""
    found = find_model(layer, job.model or None)
    return job if found is None else replace(job, model=found[0])
