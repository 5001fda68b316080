"""Encode pixels as files, with their provenance inside, and signed if signing is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

from PIL import Image

from deployments.imaging.files.signing import PictureSigner, SigningConfig
from deployments.imaging.marks.attribution import mark as marked
from deployments.imaging.marks.provenance import Provenance, ProvenanceConfig, save_arguments
from deployments.messages import OutputOptions, Picture, PictureFormat, Pixels

UPSCALING = "lanczos"
PNG_COMPRESS_LEVEL = 1  # level 6 takes four times as long to save a few percent
INGREDIENT = OutputOptions("jpeg", 90)
"""Format of a layer that a signature names: only its hash goes into the file."""


def encode(
    image: Image.Image | Pixels,
    output: OutputOptions,
    optimize: bool = False,
    provenance: Provenance | None = None,
    texts: dict[str, str] | None = None,
) -> Picture:
    """Encode the picture as a file: an image, or pixels of (h, w), (h, w, 3) or (h, w, 4) uint8.

    `optimize` gives JPEG its best Huffman tables. JPEG has no alpha, so what is transparent turns white.
    `texts`, by keyword, are written only into a PNG.
    """
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    data = BytesIO()
    arguments = save_arguments(provenance, output.format, texts or {})
    match output.format:
        case "jpeg":
            on_white(image).save(data, "JPEG", quality=output.quality, optimize=optimize, **arguments)
        case "png":
            image.save(data, "PNG", compress_level=PNG_COMPRESS_LEVEL, **arguments)
        case "webp":
            image.save(data, "WEBP", quality=output.quality, **arguments)
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


class PictureWriter:
    """Write pictures. Raises ValueError if signing is configured but cannot work."""

    def __init__(self, config: ProvenanceConfig, signing: SigningConfig | None = None) -> None:
        self._config = config
        self._signer = PictureSigner(signing) if signing is not None else None

    def write(
        self,
        image: Image.Image | Pixels,
        output: OutputOptions,
        provenance: Provenance,
        *,
        ingredients: Mapping[str, Pixels] | None = None,
        texts: dict[str, str] | None = None,
        optimize: bool = False,
        mark: str | None = None,
    ) -> Picture:
        """Write the file, upscaled if that is requested, with the provenance that is allowed.

        `mark` is the text of the visible mark, which is drawn at the upscaled size. A signature names the
        `ingredients`, and the pictures that they started from.
        """
        if not isinstance(image, Image.Image):
            image = Image.fromarray(image)
        image = upscale(image, output.upscale)
        if mark is not None:
            image = marked(image, mark)
        embedded = provenance if self._config.prompts else replace(provenance, prompts="")
        picture = encode(image, output, optimize, embedded if self._config.embed else None, texts)
        picture = replace(picture, upscaled=output.upscale)
        if self._signer is None:
            return picture
        parts: dict[str, Picture] = {
            title: encode(pixels, INGREDIENT) for title, pixels in (ingredients or {}).items()
        }
        return self._signer.sign(picture, provenance.source, parts, dict(provenance.inputs))


def upscaled_size(width_px: int, height_px: int, factor: float) -> tuple[int, int]:
    """Return the size of a picture of (width_px, height_px) that is `factor` times as large."""
    return round(width_px * factor), round(height_px * factor)


def upscale(image: Image.Image, factor: float) -> Image.Image:
    """Return the image `factor` (1 or more) times as wide and as high, or itself if that is 1.

    Pillow weights colours by their alpha, so none bleeds out of transparent pixels.
    """
    if factor == 1.0:
        return image
    return image.resize(upscaled_size(*image.size, factor), Image.Resampling.LANCZOS)
