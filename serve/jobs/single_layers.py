"""Layers alone as a job's work: what is requested, what is kept of it, and how it is painted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deployments.merge_work import MEGA, upscaled_px
from deployments.messages import LayerJob, LayerKind, OutputOptions, Picture

from ..api.layer_schema import LayerRequest
from ..api.response_bodies import layer_body, scene_body
from ..api.responses import layer_headers, picture_headers, scene_headers
from ..graph.other_renders import render_cutout, render_layer
from ..graph.scene import Graph, scene_megapixels
from ..graph.scene_job import SceneJob, SceneResult


@dataclass(frozen=True)
class SingleLayerRequest:
    """A layer that is requested alone, and how its file is to be written."""

    kind: LayerKind
    requested: LayerRequest
    output: OutputOptions

    @property
    def cutout(self) -> bool:
        """Return whether the figure alone is wanted."""
        return bool(getattr(self.requested, "cutout", False))


@dataclass(frozen=True)
class SingleLayer:
    """A layer alone in its resolved form. It has of a scene's job what the worker needs."""

    layer: LayerJob
    output: OutputOptions
    cutout: bool

    @property
    def layers(self) -> tuple[LayerJob, ...]:
        """Return the layer."""
        return (self.layer,)

    def map_layers(self, change: Callable[[LayerJob], LayerJob]) -> SingleLayer:
        """Return it with the layer changed."""
        return replace(self, layer=change(self.layer))


@dataclass(frozen=True)
class Painted:
    """Result of a job's work: the picture, the headers of its answer, and the answer's whole JSON.

    `layers` are there where a scene's request wants them.
    """

    picture: Picture
    headers: dict[str, str]
    body: Callable[[str], dict[str, Any]]
    layers: Mapping[str, Picture]


def cost_of(job: SceneJob | SingleLayer) -> float:
    """Return what it costs, in megapixel-steps: the steps of its layers, and the pictures that it writes."""
    steps = sum(layer.megapixel_steps for layer in job.layers)
    if isinstance(job, SceneJob):
        return steps + scene_megapixels(job)
    return steps + upscaled_px(job.layer.width_px * job.layer.height_px, job.output) / MEGA


def of_scene(scene: SceneResult) -> Painted:
    """Return what was painted of a whole scene."""
    merged = scene.merged
    return Painted(merged.picture, scene_headers(scene), lambda name: scene_body(name, scene), merged.layers)


async def paint_layer(graph: Graph, job: SingleLayer) -> Painted:
    """Paint a layer alone. Raises what deployments.errors draws."""
    render_alone = render_cutout if job.cutout else render_layer
    layer, picture = await render_alone(graph, job.layer, job.output)
    headers = layer_headers(layer) | picture_headers(picture)
    return Painted(picture, headers, lambda name: layer_body(name, layer, picture), {})
