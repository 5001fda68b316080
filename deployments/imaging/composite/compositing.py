"""Compose a character and a place into one picture: cut out and placed, or pasted over half the frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image, ImageEnhance

from deployments.errors import CutoutFailed
from deployments.imaging.composite import pasting
from deployments.imaging.composite.lighting import cast_shadow, harmonise
from deployments.imaging.composite.pasting import Box
from deployments.imaging.composite.placing import (
    Placement,
    at_most,
    cover,
    place,
    resize_figure,
)
from deployments.imaging.cutout.matting import LEAST_CONFIDENCE, Cutout, Matte, climb
from deployments.messages import MergeOptions, Pixels

Mode = Literal["cutout", "paste"]
LARGEST_LAYER_PX = 1 << 21
"""The most pixels of a layer, or twice the frame's. Both layers then fit into one upload, however noisy."""


@dataclass(frozen=True)
class Parts:
    """The clean layers, before light and shadow: `compose` makes the same picture from the first two.

    `figure` is what was cut out, or the whole picture if it was pasted; `background` (h, w, 3) is the place;
    `painted` (h, w, 3 or 4) is the figure's picture before it was cut out.
    """

    figure: Cutout
    background: Pixels
    painted: Pixels


@dataclass(frozen=True)
class Found:
    """Findings of an earlier merge about a character: whether it can be cut out, and how well."""

    mode: Mode
    confidence: float


@dataclass(frozen=True)
class Composition:
    """The composed scene.

    `picture` is RGB at the frame's size; `reason` is why the keyer did not cut the figure out, or empty.
    """

    picture: Image.Image
    box: Box
    mode: Mode
    confidence: float
    parts: Parts
    options: MergeOptions
    reason: str = ""


def compose(
    character: Pixels,
    background: Pixels,
    options: MergeOptions,
    network: Matte | None = None,
    found: Found | None = None,
) -> Composition:
    """Compose both pictures (h, w, 3 or 4); the same pixels and options give the same bytes.

    `network` may cut out what the keyer cannot. `found` spares an `auto` merge a failed attempt, and gives an
    RGBA character the confidence that it was cut out with. Raises CutoutFailed if `options.mode` is `cutout`
    and the confidence is still below 0.5.
    """
    most_px = max(LARGEST_LAYER_PX, 2 * options.width_px * options.height_px)
    if options.mode == "paste":
        return _pasted(character, background, options, most_px)
    if options.mode == "auto" and found is not None and found.mode == "paste":
        return _pasted(character, background, options, most_px, found.confidence)

    # A photograph of many megapixels is shrunk before it is cut out: the frame never shows more.
    painted = at_most(character, most_px)
    cutout, reason = climb(painted, network)
    if found is not None and found.mode == "cutout" and painted.shape[2] == 4:
        cutout = replace(cutout, confidence=found.confidence)
    placement = place(cutout.alpha, options) if cutout.confidence >= LEAST_CONFIDENCE else None
    if placement is None:
        if options.mode == "cutout":
            advice = "request a plain backdrop, or use merge.mode auto"
            raise CutoutFailed(f"{failure(cutout.confidence)}; {advice}", "merge.mode")
        return _pasted(character, background, options, most_px, cutout.confidence)

    covered = cover(background, options.width_px, options.height_px)
    figure = resize_figure(cutout.foreground, cutout.alpha, placement)
    figure = harmonise(figure, covered, placement.box, options.harmonize)
    frame = _ground(covered, figure, placement, options)
    parts = Parts(cutout, no_larger(background, covered, most_px), painted)
    picture = _set_in(Image.fromarray(figure), Image.fromarray(frame), placement.box, options)
    return Composition(picture, placement.box, "cutout", cutout.confidence, parts, options, reason)


def failure(confidence: float) -> str:
    """Return why a figure with this confidence is not cut out."""
    if confidence >= LEAST_CONFIDENCE:
        return "the character's picture is fully transparent"
    return f"the character could not be cut out (confidence {confidence:.2f})"


def no_larger(layer: Pixels, in_the_frame: Pixels, most_px: int) -> Pixels:
    """Return a layer (h, w, 3 or 4), or if too large its version in the frame, for the same picture."""
    return layer if layer.shape[0] * layer.shape[1] <= most_px else in_the_frame


def _ground(frame: Pixels, figure: Pixels, placement: Placement, options: MergeOptions) -> Pixels:
    return cast_shadow(frame, figure, placement.box) if options.shadow and placement.grounded else frame


def _set_in(figure: Image.Image, frame: Image.Image, box: Box, options: MergeOptions) -> Image.Image:
    """Set the figure (RGBA, of the box's size, lit) into the frame (RGB, with its shadow)."""
    frame.paste(figure, box[:2], figure)
    contrast = 1.0 if options.contrast is None else options.contrast
    return frame if contrast == 1.0 else ImageEnhance.Contrast(frame).enhance(contrast)


def _pasted(
    character: Pixels,
    background: Pixels,
    options: MergeOptions,
    most_px: int,
    fell_back_at: float | None = None,
) -> Composition:
    """Paste as the original merge does; `fell_back_at` is the confidence of a cut-out that was tried."""
    frame, figure, box = pasting.lay_out(character, background, options)
    painted = no_larger(character, np.asarray(figure), most_px)
    alpha = painted[..., 3] if painted.shape[2] == 4 else np.full(painted.shape[:2], 255, np.uint8)
    whole = Cutout(painted[..., :3], alpha, 0.0 if fell_back_at is None else fell_back_at)
    parts = Parts(whole, no_larger(background, np.asarray(frame), most_px), painted)
    reason = "" if fell_back_at is None else f"{failure(fell_back_at)}, so it was pasted"
    picture = pasting.put(figure, frame, box, options)
    return Composition(picture, box, "paste", whole.confidence, parts, options, reason)
