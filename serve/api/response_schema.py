"""Define the wire format of the responses for a scene and for a single layer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from deployments.messages import PictureFormat

from .wire import Wire


class Upscaled(Wire):
    """The factor and method by which a picture was made larger than it was painted."""

    factor: float
    method: Literal["lanczos"] = "lanczos"


class PictureBody(Wire):
    format: PictureFormat
    width: int
    height: int
    upscaled: Upscaled | None = Field(None, description="present if `output.upscale` was requested")
    b64_json: str | None = Field(None, description="the file, unless the request's `output.as` is url")
    url: str | None = Field(None, description="a signed link to the file, which needs no key")
    expires_at: int | None = Field(None, description="when the link expires, in seconds since 1970")


class Seeds(Wire):
    character: int
    background: int


class GroupSeeds(Wire):
    """The seeds of several characters, in their order."""

    characters: list[int]
    background: int


class Models(Wire):
    character: str
    background: str


class GroupModels(Wire):
    """The models of several characters, in their order."""

    characters: list[str]
    background: str


class FigureBody(Wire):
    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int] = Field(description="x, y, width, height of the figure in the frame")


class MergeBody(Wire):
    """The merge. For several: `paste` if any was pasted, the lowest confidence, and the box around all."""

    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int] = Field(description="x, y, width, height of the character in the frame")
    figures: list[FigureBody] | None = Field(None, description="one entry for each of several characters")


class LayersBody(Wire):
    """The clean PNG layers, before light and shadow. `POST /v1/merges` makes the same picture from them."""

    character: PictureBody = Field(description="the figure cut out, RGBA; its whole picture if it was pasted")
    background: PictureBody = Field(description="the background as it was painted")
    mask: PictureBody = Field(description="the figure's alpha channel")
    painted: PictureBody = Field(description="the figure as it was painted, before it was cut out")


class GroupLayersBody(Wire):
    """The clean layers of several characters. Each list has one entry per character, in their order."""

    characters: list[PictureBody]
    background: PictureBody
    masks: list[PictureBody]
    painted: list[PictureBody]


class CastShown(Wire):
    """A member of the cast that a layer shows."""

    name: str
    version: int = Field(
        description="the version when the request was admitted; 0 for a member that is not stored"
    )
    consistency: float | None = Field(
        None,
        description="how similar the figure is to the first reference, 0 to 1; present if there is one",
    )


class SceneCast(Wire):
    """The members of the cast that layers show. `characters` has one entry per character, null for none."""

    character: CastShown | None = None
    characters: list[CastShown | None] | None = None
    background: CastShown | None = None


class UsageBody(Wire):
    """Device time and work that the response took; zero for layers that were cached from an equal request."""

    device_s: float = Field(0.0, description="seconds of device time: its share of each forward it was in")
    megapixel_steps: float = Field(0.0, description="megapixels times steps, over all attempts")


class SafetyBody(Wire):
    """The safety check's verdict on the picture."""

    score: float = Field(description="0 to 1: the worst score of the picture and of the parts judged with it")
    flagged: bool = Field(description="whether the score reaches this service's threshold")


class SceneResponse(Wire):
    id: str
    created: int = Field(description="seconds since 1970")
    image: PictureBody
    seeds: Seeds | GroupSeeds
    merge: MergeBody
    layers: LayersBody | GroupLayersBody | None = Field(
        None, description="present if the request has `layers` true"
    )
    degraded: list[str] = Field(
        description="what differs from the request, as `layer: how`; a layer is named by its path, such as "
        "`characters.0`"
    )
    warnings: list[str] = Field([])
    models: Models | GroupModels
    cast: SceneCast | None = Field(None, description="present if a layer has `cast`")
    timings_ms: dict[str, float]
    usage: UsageBody
    safety: SafetyBody | None = Field(None, description="present if this service judges pictures")


class LayerResponse(Wire):
    id: str
    created: int
    image: PictureBody
    seed: int
    degraded: list[str]
    warnings: list[str] = Field([])
    model: str
    cast: CastShown | None = Field(None, description="present if the layer has `cast`")
    timings_ms: dict[str, float]
    usage: UsageBody
    safety: SafetyBody | None = Field(None, description="present if this service judges pictures")
