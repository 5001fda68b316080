"""Work on files that needs no model: enhancing, quality check, placeholder, attribution mark."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from PIL import Image

from deployments.imaging.composite.enhancing import enhance
from deployments.imaging.files.encoding import encode
from deployments.imaging.marks.attribution import TEXT, mark
from deployments.imaging.placeholder import placeholder
from deployments.imaging.quality import flaw
from deployments.messages import LayerKind, OutputOptions

from .files import QUALITY, format_of, open_picture, write

log = logging.getLogger(__name__)


class ImageEnhancer:
    """Sharpness 1.2, contrast 1.1, colour 1.1, then an unsharp mask."""

    @staticmethod
    def enhance_image(image_path: str | Path, output_path: str | Path | None = None) -> str:
        """Enhance a picture into `output_path`, or in place. Raises OSError for what is not a picture."""
        return _save(enhance(open_picture(image_path)), output_path or image_path)


def validate_image_quality(image_path: str | Path) -> bool:
    """Return whether the file is a picture at all, and neither black, white nor flat."""
    try:
        found = flaw(np.asarray(open_picture(image_path)))
    except OSError as error:
        found = f"not a picture ({error})"
    if found:
        log.warning("%s: %s", image_path, found)
    return found is None


def create_placeholder_image(
    prompt: str,
    output_path: str | Path,
    width: int = 512,
    height: int = 384,
    kind: LayerKind = "background",
) -> str:
    """Draw a placeholder that says it is one."""
    pixels = placeholder(kind, width, height, prompt)
    return write(output_path, encode(pixels, OutputOptions(format_of(output_path), QUALITY)).data)


def add_attribution(image_path: str | Path, text: str = TEXT, output_path: str | Path | None = None) -> str:
    """Put the mark at the bottom right, into `output_path` or in place."""
    return _save(mark(open_picture(image_path), text), output_path or image_path)


def _save(picture: Image.Image, path: str | Path) -> str:
    wire_format = format_of(path)
    flat = picture.convert("RGB") if wire_format == "jpeg" else picture
    return write(path, encode(np.asarray(flat), OutputOptions(wire_format, QUALITY)).data)
