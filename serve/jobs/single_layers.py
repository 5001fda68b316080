"""Single layers as the work of a job: the request, what is kept of it, and how it is painted."""

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
    """A layer that is requested alone, and how to write its file."""

    kind: LayerKind
    requested: LayerRequest
    output: OutputOptions

    @property
    def cutout(self) -> bool:
        """Return whether the figure is to be cut out of its backdrop."""
        return bool(getattr(self.requested, "cutout", False))


@dataclass(frozen=True)
class SingleLayer:
    """A resolved single layer. It offers the part of SceneJob's interface that the worker needs."""

    layer: LayerJob
    output: OutputOptions
    cutout: bool

    @property
    def layers(self) -> tuple[LayerJob, ...]:
        """Return the layer, as a tuple of one."""
        return (self.layer,)

    def map_layers(self, change: Callable[[LayerJob], LayerJob]) -> SingleLayer:
        """Return a copy with the layer changed."""
        return replace(self, layer=change(self.layer))


@dataclass(frozen=True)
class Painted:
    """The result of painting: the picture, the headers of its response, and the response's whole JSON.

    `body` makes that JSON for a request id. `layers` is filled only if the scene's request wants them.
    """

    picture: Picture
    headers: dict[str, str]
    body: Callable[[str], dict[str, Any]]
    layers: Mapping[str, Picture]


def cost_of(job: SceneJob | SingleLayer) -> float:
    """Return a job's cost in megapixel-steps: the steps of its layers, and the pictures that it writes."""
    steps = sum(layer.megapixel_steps for layer in job.layers)
    if isinstance(job, SceneJob):
        return steps + scene_megapixels(job)
    return steps + upscaled_px(job.layer.width_px * job.layer.height_px, job.output) / MEGA


def of_scene(scene: SceneResult) -> Painted:
    """Return the painted result of a whole scene."""
    merged = scene.merged
    return Painted(merged.picture, scene_headers(scene), lambda name: scene_body(name, scene), merged.layers)


async def paint_layer(graph: Graph, job: SingleLayer) -> Painted:
    """Paint a layer alone. Raises the errors of deployments.errors."""
    render_alone = render_cutout if job.cutout else render_layer
    layer, picture = await render_alone(graph, job.layer, job.output)
    headers = layer_headers(layer) | picture_headers(picture)
    return Painted(picture, headers, lambda name: layer_body(name, layer, picture), {})
