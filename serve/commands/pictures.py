"""Pictures from files, as pixels the merger takes: bounded before they are decoded, and the right way up."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageOps

from deployments.messages import Pixels

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
MAX_PIXELS = 64_000_000


def read_pixels(file: Path, name: str) -> Pixels:
    """(h, w, 4) where the picture has any transparency, else (h, w, 3). Raises click.BadParameter."""
    try:
        with Image.open(file, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise click.BadParameter(
                    f"{file} has {picture.width} x {picture.height} pixels; at most 64 million are taken",
                    param_hint=name,
                )
            upright = ImageOps.exif_transpose(picture)
            return np.asarray(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
    except Image.DecompressionBombError as error:
        raise click.BadParameter(f"{file} has far more than 64 million pixels", param_hint=name) from error
    except (OSError, ValueError, SyntaxError) as error:
        # Pillow's decoders say SyntaxError of a broken PNG.
        raise click.BadParameter(f"{file} is not a picture that can be read", param_hint=name) from error
