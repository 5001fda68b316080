"""Write into a layer's file how its scene was merged, for a later merge whose request does not say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from deployments.imaging.composite.compositing import Composition, Found, Mode
from deployments.imaging.composite.group_composing import GroupComposition
from deployments.imaging.cutout.matting import LEAST_CONFIDENCE
from deployments.imaging.files.parts import LAYER_TAG
from deployments.messages import (
    MAX_DEPTH,
    MAX_FIGURES,
    Feet,
    FigureOptions,
    LayerKind,
    MergeOptions,
    Position,
    UploadJob,
)

KEY = LAYER_TAG
"""The keyword of the PNG text that holds a tag."""
LONGEST_CHARS = 4_000
SMALLEST_FRAME_PX = 64

Options = TypeVar("Options", MergeOptions, FigureOptions)
Tagged = LayerKind | Literal["painted"]


@dataclass(frozen=True)
class LayerTag:
    """The tag of a layer.

    `scene` is the same in all layers of one picture; the rest is how that picture was made. If it has several
    `figures`, `index` is the one that this layer shows.
    """

    layer: Tagged
    scene: str
    mode: Mode
    confidence: float
    options: MergeOptions
    figures: tuple[FigureOptions, ...] = ()
    index: int | None = None


OF_SEVERAL = {"figures", "index"}
_JSON = TypeAdapter(LayerTag)


def tags_of(made: Composition) -> dict[Tagged, str]:
    """Return a text for the file of each layer, from which `made` can be composed again."""
    digest = hashlib.sha256(made.parts.background.tobytes() + made.parts.figure.rgba().tobytes())
    tag = LayerTag("character", digest.hexdigest()[:16], made.mode, made.confidence, made.options)
    layers: tuple[Tagged, ...] = ("character", "background", "painted")
    return {layer: _text(replace(tag, layer=layer)) for layer in layers}


def group_tags(made: GroupComposition) -> tuple[str, list[dict[Tagged, str]]]:
    """Return a text for the place's file, and texts for the files of each figure."""
    digest = hashlib.sha256(made.background.tobytes())
    for figure in made.figures:
        digest.update(figure.cutout.rgba().tobytes())
    scene = digest.hexdigest()[:16]
    place = LayerTag("background", scene, made.mode, made.confidence, made.options, made.requested)
    layers: tuple[Tagged, ...] = ("character", "painted")
    figures = [
        {
            layer: _text(
                replace(place, layer=layer, mode=figure.mode, confidence=figure.confidence, index=index)
            )
            for layer in layers
        }
        for index, figure in enumerate(made.figures)
    ]
    return _text(place), figures


def _text(tag: LayerTag) -> str:
    return _JSON.dump_json(tag, exclude=None if tag.figures else OF_SEVERAL).decode()


def read_tag(picture: Image.Image, max_frame_px: int) -> LayerTag | None:
    """Return a file's own tag, or None if it has none that can be trusted."""
    text: Any = picture.info.get(KEY)
    if not isinstance(text, str) or len(text) > LONGEST_CHARS:
        return None
    try:
        tag = _JSON.validate_json(text)
    except ValidationError:
        return None
    return tag if _possible(tag, max_frame_px) else None


def _possible(tag: LayerTag, max_frame_px: int) -> bool:
    """Return whether a tag is within the bounds of a request, since the caller may have written it."""
    requested = tag.options
    return (
        (LEAST_CONFIDENCE if tag.mode == "cutout" else 0) <= tag.confidence <= 1
        and all(
            SMALLEST_FRAME_PX <= side <= max_frame_px for side in (requested.width_px, requested.height_px)
        )
        and _placing(requested.position)
        and _in_the_picture(requested.feet)
        and 0.1 <= requested.scale <= 4
        and 0 <= requested.harmonize <= 1
        and 0 <= (requested.contrast or 0) <= 4
        and len(tag.figures) <= MAX_FIGURES
        and (tag.index is None or 0 <= tag.index < len(tag.figures))
        and all(
            (figure.position is None or _placing(figure.position))
            and 0.1 <= figure.scale <= 4
            and 0 <= figure.depth <= MAX_DEPTH
            and _in_the_picture(figure.feet)
            for figure in tag.figures
        )
    )


def _placing(position: Position | float) -> bool:
    return isinstance(position, str) or 0 <= position <= 1


def _in_the_picture(feet: Feet | None) -> bool:
    return feet is None or all(0 <= each <= 1 for each in feet)


def as_before(
    character: Image.Image, background: Image.Image, job: UploadJob
) -> tuple[MergeOptions, Found | None]:
    """Return the options to merge two opened files with, and an earlier merge's findings about the character.

    If both files are layers of one scene, options that were not given are as in that scene.
    """
    figure, place = (read_tag(picture, job.max_frame_px) for picture in (character, background))
    options = job.merge.options
    if figure is None or figure.layer == "background":
        return options, None
    if _of_one_scene(figure, place):
        options = _given(_alone(figure), options, job.given)
    return options, _found(figure)


def group_as_before(
    characters: Sequence[Image.Image], background: Image.Image, job: UploadJob
) -> tuple[MergeOptions, list[FigureOptions], list[Found | None]]:
    """Return the same for several characters: the merge's options, each figure's, and the findings for each.

    A figure from another scene, or from none, is placed where the request says.
    """
    place = read_tag(background, job.max_frame_px)
    requested, options = job.merge.figures, job.merge.options
    figures: list[FigureOptions] = []
    found: list[Found | None] = []
    for index, character in enumerate(characters):
        tag = read_tag(character, job.max_frame_px)
        own = FigureOptions()
        if tag is not None and tag.layer != "background" and _of_one_scene(tag, place):
            options = tag.options
            own = tag.figures[tag.index] if tag.index is not None else _of_one(tag)
        figures.append(_given(own, requested[index], job.given_figures[index]))
        found.append(None if tag is None or tag.layer == "background" else _found(tag))
    return _given(options, job.merge.options, job.given), figures, found


def _of_one_scene(figure: LayerTag, place: LayerTag | None) -> bool:
    """Return whether both are layers of the same picture."""
    if not figure.figures:
        return place == replace(figure, layer="background")
    return (
        place is not None
        and (place.layer, place.scene) == ("background", figure.scene)
        and (place.options, place.figures) == (figure.options, figure.figures)
    )


def _alone(figure: LayerTag) -> MergeOptions:
    """Return the options that place a figure alone, even if it was one of several."""
    if figure.index is None:
        return figure.options
    own = figure.figures[figure.index]
    scale = min(max(figure.options.scale * own.scale, 0.1), 4.0)
    position = "center" if own.position is None else own.position
    return replace(figure.options, position=position, scale=scale, feet=own.feet)


def _of_one(figure: LayerTag) -> FigureOptions:
    """Return the placement of a figure that was alone in its scene."""
    return FigureOptions(figure.options.position, feet=figure.options.feet)


def _given(before: Options, requested: Options, given: frozenset[str]) -> Options:
    return replace(before, **{name: getattr(requested, name) for name in given})


def _found(figure: LayerTag) -> Found | None:
    fell_back = figure.mode == "paste" and figure.options.mode == "auto"
    cut_out = figure.mode == "cutout" and figure.layer == "character"
    return Found(figure.mode, figure.confidence) if fell_back or cut_out else None
