"""What a layer's file tells of the picture it was part of, so that the picture can be rebuilt from files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from deployments.imaging.compositing import Composition, lay_over, set_in
from deployments.imaging.pasting import Box
from deployments.messages import LayerKind, MergeOptions

KEY = "scenewright:layer"
"""The keyword of the PNG text that holds a tag."""


@dataclass(frozen=True)
class LayerTag:
    """`scene` is the same in all layers of one picture; the rest is how that picture was made."""

    layer: LayerKind
    scene: str
    mode: Literal["cutout", "paste"]
    confidence: float
    box: Box
    options: MergeOptions


_JSON = TypeAdapter(LayerTag)


def tags_of(made: Composition) -> dict[LayerKind, str]:
    """A text for the file of each of the two layers that `made` can be rebuilt from."""
    digest = hashlib.sha256(made.parts.background.tobytes() + made.parts.character.tobytes())
    tag = LayerTag("character", digest.hexdigest()[:16], made.mode, made.confidence, made.box, made.options)
    behind = replace(tag, layer="background")
    return {each.layer: _JSON.dump_json(each).decode() for each in (tag, behind)}


def read_tag(picture: Image.Image) -> LayerTag | None:
    """A file's own tag; None where it has none that can be believed."""
    text: Any = picture.info.get(KEY)
    if not isinstance(text, str):
        return None
    try:
        tag = _JSON.validate_json(text)
    except ValidationError:
        return None
    return tag if 0 <= tag.confidence <= 1 and 0 <= (tag.options.contrast or 0) <= 4 else None


def rebuild(
    character: Image.Image, background: Image.Image, asked: MergeOptions, given: frozenset[str]
) -> Composition | None:
    """The picture of which these two are the layers, or None where they are not.

    None also where an option that was `given` differs from how that picture was made: then it is another one.
    Only its contrast, which comes after all else, may be changed.
    """
    figure_tag, frame_tag = read_tag(character), read_tag(background)
    if figure_tag is None or frame_tag != replace(figure_tag, layer="background"):
        return None
    options = replace(figure_tag.options, **{name: getattr(asked, name) for name in given})
    if replace(options, contrast=figure_tag.options.contrast) != figure_tag.options:
        return None
    if figure_tag.box[2:] != character.size or background.size != (options.width_px, options.height_px):
        return None
    # Through arrays: an opened file's profile and comments would go on into the picture's file.
    figure = Image.fromarray(np.asarray(character.convert("RGBA")))
    frame = Image.fromarray(np.asarray(background.convert("RGB")))
    last_act = lay_over if figure_tag.mode == "paste" else set_in
    return last_act(figure, frame, figure_tag.box, options, figure_tag.confidence)
