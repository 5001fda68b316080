"""Preview a scene from small pictures of its half-painted layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from deployments.imaging.composite.compositing import compose
from deployments.imaging.composite.group_composing import compose_group
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import FigureOptions, MergeOptions, OutputOptions, Pixels

WIDTH_PX = 384
QUALITY = 75


def compose_preview(options: MergeOptions, character: bytes, background: bytes) -> bytes:
    """Return a JPEG in the frame's proportions, at most 384 px wide. It pastes what cannot be cut out yet."""
    picture = compose(_decode(character), _decode(background), _small(options)).picture
    return encode(picture, OutputOptions("jpeg", QUALITY)).data


def compose_group_preview(
    options: MergeOptions, figures: Sequence[FigureOptions], background: bytes, characters: Sequence[bytes]
) -> bytes:
    """Return the same for several characters."""
    pictures = [_decode(character) for character in characters]
    made = compose_group(pictures, _decode(background), _small(options), figures)
    return encode(made.picture, OutputOptions("jpeg", QUALITY)).data


def _small(options: MergeOptions) -> MergeOptions:
    scale = min(1.0, WIDTH_PX / options.width_px)
    return replace(
        options,
        mode="paste" if options.mode == "paste" else "auto",
        width_px=max(1, round(options.width_px * scale)),
        height_px=max(1, round(options.height_px * scale)),
    )


def _decode(file: bytes) -> Pixels:
    with Image.open(BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGB"))
