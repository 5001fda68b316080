"""Define the wire format of answers: a scene's, and a layer's alone."""

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
    upscaled: Upscaled | None = Field(None, description="where `output.upscale` was requested")
    b64_json: str | None = Field(None, description="the file, unless the request's `output.as` is url")
    url: str | None = Field(None, description="a signed link to the file, which needs no key")
    expires_at: int | None = Field(None, description="when the link ends, in seconds since 1970")


class Seeds(Wire):
    character: int
    background: int


class GroupSeeds(Wire):
    """Those of several characters, in their order."""

    characters: list[int]
    background: int


class Models(Wire):
    character: str
    background: str


class GroupModels(Wire):
    """Those of several characters, in their order."""

    characters: list[str]
    background: str


class FigureBody(Wire):
    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int] = Field(description="x, y, width, height of the figure in the frame")


class MergeBody(Wire):
    """Merge of several characters: `paste` where one was, the least confidence, and the box around all."""

    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int] = Field(description="x, y, width, height of the character in the frame")
    figures: list[FigureBody] | None = Field(None, description="one for each of several characters")


class LayersBody(Wire):
    """The clean layers, PNG: before light and shadow. `POST /v1/merges` makes the same picture of them."""

    character: PictureBody = Field(description="the figure as it was cut out, RGBA; all of it where pasted")
    background: PictureBody = Field(description="the place as it was painted")
    mask: PictureBody = Field(description="the figure's alpha")
    painted: PictureBody = Field(description="the figure as it was painted, before it was cut out")


class GroupLayersBody(Wire):
    """The clean layers of several characters: one of each list for each of them, in their order."""

    characters: list[PictureBody]
    background: PictureBody
    masks: list[PictureBody]
    painted: list[PictureBody]


class CastShown(Wire):
    """A member of the cast that a layer shows."""

    name: str
    version: int = Field(description="as it was when the request was admitted; 0 for one that is not kept")
    consistency: float | None = Field(
        None, description="of a figure: how like the first reference it is, 0 to 1; where there is one"
    )


class SceneCast(Wire):
    """The members of the cast that layers show; of several characters one each, null for nobody."""

    character: CastShown | None = None
    characters: list[CastShown | None] | None = None
    background: CastShown | None = None


class UsageBody(Wire):
    """Time and work that the answer took; zero for layers that were kept from an equal request."""

    device_s: float = Field(0.0, description="seconds of the device: its share of every forward it was in")
    megapixel_steps: float = Field(0.0, description="size times steps, of all attempts")


class SafetyBody(Wire):
    """Judgement of the picture."""

    score: float = Field(description="0 to 1, of the worst of the picture and what was given out of it")
    flagged: bool = Field(description="whether it is over this service's threshold")


class SceneResponse(Wire):
    id: str
    created: int = Field(description="seconds since 1970")
    image: PictureBody
    seeds: Seeds | GroupSeeds
    merge: MergeBody
    layers: LayersBody | GroupLayersBody | None = Field(
        None, description="where the request has `layers` true"
    )
    degraded: list[str] = Field(
        description="what is not as requested, `layer: how`, with its path such as `characters.0`"
    )
    warnings: list[str] = Field([])
    models: Models | GroupModels
    cast: SceneCast | None = Field(None, description="where a layer has `cast`")
    timings_ms: dict[str, float]
    usage: UsageBody
    safety: SafetyBody | None = Field(None, description="where pictures are judged")


class LayerResponse(Wire):
    id: str
    created: int
    image: PictureBody
    seed: int
    degraded: list[str]
    warnings: list[str] = Field([])
    model: str
    cast: CastShown | None = Field(None, description="where the layer has `cast`")
    timings_ms: dict[str, float]
    usage: UsageBody
    safety: SafetyBody | None = Field(None, description="where pictures are judged")
