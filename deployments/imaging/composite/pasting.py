"""The plain merge: both pictures squeezed to the frame, the character laid over half of it."""

from __future__ import annotations

from PIL import Image, ImageEnhance

from deployments.messages import MergeOptions, Pixels, Position

CONTRAST = 1.1

Box = tuple[int, int, int, int]
"""(x, y, width, height) in pixels of the frame."""


def paste(character: Pixels, background: Pixels, options: MergeOptions) -> tuple[Image.Image, Box]:
    """Return the merged frame, RGB, (options.width_px, options.height_px), and the character's place in it.

    Either input may be (h, w, 3) or (h, w, 4). `scale`, `harmonize` and `shadow` have no effect here.
    """
    frame, figure, box = lay_out(character, background, options)
    return put(figure, frame, box, options), box


def lay_out(
    character: Pixels, background: Pixels, options: MergeOptions
) -> tuple[Image.Image, Image.Image, Box]:
    """Return the frame (RGB) and the figure (RGBA) as they are before the paste, and the figure's place."""
    frame = Image.fromarray(background).convert("RGB")
    frame = frame.resize((options.width_px, options.height_px), Image.Resampling.LANCZOS)
    figure = Image.fromarray(character).convert("RGBA")
    figure = figure.resize((options.width_px // 2, options.height_px), Image.Resampling.LANCZOS)
    x_px = _left_edge(options.position, options.width_px)
    return frame, figure, (x_px, 0, figure.width, figure.height)


def put(figure: Image.Image, frame: Image.Image, box: Box, options: MergeOptions) -> Image.Image:
    """Paste the laid out figure on a copy of the frame, with the merge's contrast."""
    picture = frame.copy()
    picture.paste(figure, box[:2], figure)
    contrast = CONTRAST if options.contrast is None else options.contrast
    return ImageEnhance.Contrast(picture).enhance(contrast)


def _left_edge(position: Position | float, width_px: int) -> int:
    half_px = width_px // 2
    if not isinstance(position, str):
        return min(max(int(position * width_px - half_px / 2), 0), width_px - half_px)
    return {"left": 0, "center": (width_px - half_px) // 2, "right": half_px}[position]
