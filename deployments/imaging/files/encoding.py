"""Encode pixels as the bytes of a file."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from deployments.imaging.marks.provenance import Provenance, save_arguments
from deployments.messages import OutputOptions, Picture, PictureFormat, Pixels

PNG_COMPRESS_LEVEL = 1  # level 6 takes four times as long for a few percent


def encode(
    image: Image.Image | Pixels,
    output: OutputOptions,
    optimize: bool = False,
    provenance: Provenance | None = None,
    texts: dict[str, str] | None = None,
) -> Picture:
    """Encode the picture as a file: an image, or pixels of (h, w), (h, w, 3) or (h, w, 4) uint8.

    `optimize` gives JPEG its best Huffman tables. JPEG has no alpha: there the transparent turns white.
    `texts` by keyword are written into a PNG, and into nothing else.
    """
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    data = BytesIO()
    told = save_arguments(provenance, output.format, texts or {})
    match output.format:
        case "jpeg":
            on_white(image).save(data, "JPEG", quality=output.quality, optimize=optimize, **told)
        case "png":
            image.save(data, "PNG", compress_level=PNG_COMPRESS_LEVEL, **told)
        case "webp":
            image.save(data, "WEBP", quality=output.quality, **told)
    return Picture(output.format, image.width, image.height, data.getvalue())


def media_type(picture_format: PictureFormat) -> str:
    """Return the Content-Type of a file that `encode` made."""
    return f"image/{picture_format}"


def on_white(image: Image.Image) -> Image.Image:
    """Return the image without alpha: laid over white where it had any, else itself."""
    if not image.has_transparency_data:
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
