"""One picture of a character and a place: cut out and set in, or laid over half the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageEnhance

from deployments.errors import CutoutFailed
from deployments.imaging import pasting
from deployments.imaging.harmonising import harmonise
from deployments.imaging.ladder import LEAST_CONFIDENCE, Matte, climb
from deployments.imaging.pasting import Box
from deployments.imaging.placing import Placement, cover, place, resize_figure
from deployments.imaging.shadow import cast
from deployments.messages import MergeOptions, Pixels


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
    """`picture` is RGB of the frame's size; `reason` says why it was not cut out by the keyer, else empty."""

    picture: Image.Image
    box: Box
    mode: Literal["cutout", "paste"]
    confidence: float
    parts: Parts
    options: MergeOptions
    reason: str = ""


def compose(
    character: Pixels, background: Pixels, options: MergeOptions, network: Matte | None = None
) -> Composition:
    """Both pictures (h, w, 3 or 4); the same pixels and options give the same bytes.

    `network` may cut out what the keyer cannot. Raises CutoutFailed where `options.mode` is `cutout` and the
    confidence is below 0.5 all the same.
    """
    if options.mode == "paste":
        return _pasted(character, background, options, 0.0, "")
    cutout, reason = climb(_no_larger(character, 2 * max(options.width_px, options.height_px)), network)
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
    frame = _ground(frame, figure, placement, options)
    return set_in(
        Image.fromarray(figure), Image.fromarray(frame), placement.box, options, cutout.confidence, reason
    )


def _no_larger(pixels: Pixels, longest_px: int) -> Pixels:
    """A photograph of many megapixels is cut out at twice the frame's size: more is never seen."""
    high, wide = pixels.shape[:2]
    factor = longest_px / max(high, wide)
    if factor >= 1 or pixels.shape[2] == 4:  # What has its own alpha is not keyed, and is resized once.
        return pixels
    size = (max(1, round(wide * factor)), max(1, round(high * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ground(frame: Pixels, figure: Pixels, placement: Placement, options: MergeOptions) -> Pixels:
    return cast(frame, figure, placement.box) if options.shadow and placement.grounded else frame


def set_in(
    figure: Image.Image,
    frame: Image.Image,
    box: Box,
    options: MergeOptions,
    confidence: float,
    reason: str = "",
) -> Composition:
    """The figure (RGBA, of the box's size, lit) over the frame (RGB, with its shadow): the last act."""
    parts = Parts(figure, figure.getchannel("A"), frame)
    picture = frame.copy()
    picture.paste(figure, box[:2], parts.mask)
    contrast = 1.0 if options.contrast is None else options.contrast
    if contrast != 1.0:
        picture = ImageEnhance.Contrast(picture).enhance(contrast)
    return Composition(picture, box, "cutout", confidence, parts, options, reason)


def _pasted(
    character: Pixels, background: Pixels, options: MergeOptions, confidence: float, reason: str
) -> Composition:
    frame, figure, box = pasting.lay_out(character, background, options)
    return lay_over(figure, frame, box, options, confidence, reason)


def lay_over(
    figure: Image.Image,
    frame: Image.Image,
    box: Box,
    options: MergeOptions,
    confidence: float,
    reason: str = "",
) -> Composition:
    """The laid out figure (RGBA) over the frame (RGB) as the original merge does it: the last act."""
    parts = Parts(figure, figure.getchannel("A"), frame)
    picture = pasting.put(figure, frame, box, options)
    return Composition(picture, box, "paste", confidence, parts, options, reason)
