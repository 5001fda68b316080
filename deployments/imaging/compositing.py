"""One picture of a character and a place: cut out and set in, or laid over half the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageEnhance

from deployments.errors import CutoutFailed
from deployments.imaging import pasting
from deployments.imaging.harmonising import harmonise
from deployments.imaging.matting import cut_out
from deployments.imaging.pasting import Box
from deployments.imaging.placing import Placement, cover, place, resize_figure
from deployments.imaging.shadow import cast
from deployments.messages import MergeOptions, Pixels

LEAST_CONFIDENCE = 0.5


@dataclass(frozen=True)
class Parts:
    """What the picture was made of: `background.paste(character, box[:2], mask)` is the picture, exactly.

    `character` (RGBA) is the figure as it stands in the frame, sized and lit, of the box's size; `mask` (L)
    is its alpha; `background` (RGB) is the frame behind it, with the shadow on it. A contrast other than 1.0
    comes after.
    """

    character: Image.Image
    mask: Image.Image
    background: Image.Image


@dataclass(frozen=True)
class Composition:
    """`picture` is RGB of the frame's size; `reason` says why `auto` pasted, and is else empty."""

    picture: Image.Image
    box: Box
    mode: Literal["cutout", "paste"]
    confidence: float
    parts: Parts
    reason: str = ""


def compose(character: Pixels, background: Pixels, options: MergeOptions) -> Composition:
    """Both pictures (h, w, 3 or 4); the same pixels and options give the same bytes.

    Raises CutoutFailed where `options.mode` is `cutout` and the confidence is below 0.5.
    """
    if options.mode == "paste":
        return _pasted(character, background, options, 0.0, "")
    cutout = cut_out(character)
    placement = place(cutout.alpha, options) if cutout.confidence >= LEAST_CONFIDENCE else None
    if placement is None:
        reason = f"the character could not be cut out (confidence {cutout.confidence:.2f})"
        if cutout.confidence >= LEAST_CONFIDENCE:
            reason = "the character's picture is transparent all over"
        if options.mode == "cutout":
            raise CutoutFailed(f"{reason}; ask for a plain backdrop, or use merge.mode auto", "merge.mode")
        return _pasted(character, background, options, cutout.confidence, f"{reason}, so it was pasted")

    frame = cover(background, options.width_px, options.height_px)
    figure = resize_figure(cutout.foreground, cutout.alpha, placement)
    figure = harmonise(figure, frame, placement.box, options.harmonize)
    return _set_in(figure, _ground(frame, figure, placement, options), placement, options, cutout.confidence)


def _ground(frame: Pixels, figure: Pixels, placement: Placement, options: MergeOptions) -> Pixels:
    return cast(frame, figure, placement.box) if options.shadow and placement.grounded else frame


def _set_in(
    figure: Pixels, frame: Pixels, placement: Placement, options: MergeOptions, confidence: float
) -> Composition:
    character = Image.fromarray(figure)
    parts = Parts(character, character.getchannel("A"), Image.fromarray(frame))
    picture = parts.background.copy()
    picture.paste(character, placement.box[:2], parts.mask)
    contrast = 1.0 if options.contrast is None else options.contrast
    if contrast != 1.0:
        picture = ImageEnhance.Contrast(picture).enhance(contrast)
    return Composition(picture, placement.box, "cutout", confidence, parts)


def _pasted(
    character: Pixels, background: Pixels, options: MergeOptions, confidence: float, reason: str
) -> Composition:
    frame, figure, box = pasting.lay_out(character, background, options)
    picture = pasting.put(figure, frame, box, options)
    return Composition(
        picture, box, "paste", confidence, Parts(figure, figure.getchannel("A"), frame), reason
    )
