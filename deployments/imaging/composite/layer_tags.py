"""Write into a layer's file how its scene was merged, for a later merge of layers that leaves it out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from deployments.imaging.composite.compositing import Composition, Found, Mode
from deployments.imaging.cutout.cutout_fallback import LEAST_CONFIDENCE
from deployments.imaging.files.parts import LAYER_TAG
from deployments.messages import LayerKind, MergeOptions, UploadJob

KEY = LAYER_TAG
"""The keyword of the PNG text that holds a tag."""
LONGEST_CHARS = 4_000
SMALLEST_FRAME_PX = 64

Tagged = LayerKind | Literal["painted"]


@dataclass(frozen=True)
class LayerTag:
    """The tag of a layer.

    `scene` is the same in all layers of one picture; the rest is how that picture was made.
    """

    layer: Tagged
    scene: str
    mode: Mode
    confidence: float
    options: MergeOptions


_JSON = TypeAdapter(LayerTag)


def tags_of(made: Composition) -> dict[Tagged, str]:
    """Return a text for the file of each layer from which `made` can be made again."""
    digest = hashlib.sha256(made.parts.background.tobytes() + made.parts.figure.rgba().tobytes())
    tag = LayerTag("character", digest.hexdigest()[:16], made.mode, made.confidence, made.options)
    layers: tuple[Tagged, ...] = ("character", "background", "painted")
    return {layer: _JSON.dump_json(replace(tag, layer=layer)).decode() for layer in layers}


def read_tag(picture: Image.Image, max_frame_px: int) -> LayerTag | None:
    """Return a file's own tag; None where it has none that can be believed."""
    text: Any = picture.info.get(KEY)
    if not isinstance(text, str) or len(text) > LONGEST_CHARS:
        return None
    try:
        tag = _JSON.validate_json(text)
    except ValidationError:
        return None
    return tag if _possible(tag, max_frame_px) else None


def _possible(tag: LayerTag, max_frame_px: int) -> bool:
    """Return whether a tag is within the bounds of a request: it is a caller's word."""
    asked = tag.options
    return (
        (LEAST_CONFIDENCE if tag.mode == "cutout" else 0) <= tag.confidence <= 1
        and all(SMALLEST_FRAME_PX <= side <= max_frame_px for side in (asked.width_px, asked.height_px))
        and (isinstance(asked.position, str) or 0 <= asked.position <= 1)
        and 0.1 <= asked.scale <= 4
        and 0 <= asked.harmonize <= 1
        and 0 <= (asked.contrast or 0) <= 4
    )


def as_before(
    character: Image.Image, background: Image.Image, job: UploadJob
) -> tuple[MergeOptions, Found | None]:
    """Return the options to merge two opened files with, and an earlier merge's findings about the character.

    What was not given is as in the scene where both files are layers of the same one.
    """
    tags = [read_tag(picture, job.max_frame_px) for picture in (character, background)]
    figure, place = tags
    options = job.merge.options
    if figure is None or figure.layer == "background":
        return options, None
    if place == replace(figure, layer="background"):
        options = replace(figure.options, **{name: getattr(options, name) for name in job.given})
    fell_back = figure.mode == "paste" and figure.options.mode == "auto"
    cut_out = figure.mode == "cutout" and figure.layer == "character"
    return options, Found(figure.mode, figure.confidence) if fell_back or cut_out else None
