"""Encoded files decode to the given pixels, and the exact merge's JPEG is Pillow's own."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from deployments.imaging.files.picture_encoding import encode, media_type
from deployments.messages import OutputOptions, Picture, PictureFormat, Pixels

FORMATS: tuple[PictureFormat, ...] = ("jpeg", "png", "webp")


def smooth(channels: int) -> Pixels:
    """Return gradients (48, 80, channels), which lossy formats keep closely; alpha falls left to right."""
    y, x = np.mgrid[0:48, 0:80]
    planes = (2 * x + 30, 4 * y + 20, x + y + 50, 255 - 3 * x)
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


def opened(picture: Picture) -> Image.Image:
    image = Image.open(BytesIO(picture.data))
    image.load()
    return image


@pytest.mark.parametrize("picture_format", FORMATS)
def test_round_trip(picture_format: PictureFormat) -> None:
    picture = encode(smooth(3), OutputOptions(picture_format))
    image = opened(picture)
    assert (picture.format, picture.width_px, picture.height_px) == (picture_format, 80, 48)
    assert (image.format, image.size, image.mode) == (picture_format.upper(), (80, 48), "RGB")
    assert np.abs(np.asarray(image).astype(int) - smooth(3)).mean() < 3


@pytest.mark.parametrize("picture_format", FORMATS)
def test_an_image_and_its_pixels_give_the_same_file(picture_format: PictureFormat) -> None:
    output = OutputOptions(picture_format)
    assert encode(Image.fromarray(smooth(3)), output) == encode(smooth(3), output)


@pytest.mark.parametrize("optimize", [True, False])
def test_jpeg_is_pillows_own_save(optimize: bool) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    expected = BytesIO()
    Image.fromarray(noise).save(expected, "JPEG", quality=95, optimize=optimize)
    assert encode(noise, OutputOptions(), optimize=optimize).data == expected.getvalue()


@pytest.mark.parametrize("quality", [1, 100])
def test_the_hardest_jpeg_saves_at_either_end(quality: int) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    assert opened(encode(noise, OutputOptions("jpeg", quality), optimize=True)).size == (512, 512)


@pytest.mark.parametrize("picture_format", ["jpeg", "webp"])
def test_quality_counts(picture_format: PictureFormat) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    small, large = (len(encode(noise, OutputOptions(picture_format, quality)).data) for quality in (20, 90))
    assert small < large / 2


@pytest.mark.parametrize("channels", [3, 4])
def test_png_is_lossless_and_level_one(channels: int) -> None:
    picture = encode(smooth(channels), OutputOptions("png"), optimize=True)
    expected = BytesIO()
    Image.fromarray(smooth(channels)).save(expected, "PNG", compress_level=1)
    assert picture.data == expected.getvalue()
    np.testing.assert_array_equal(np.asarray(opened(picture)), smooth(channels))


def test_webp_keeps_alpha() -> None:
    image = opened(encode(smooth(4), OutputOptions("webp")))
    assert image.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(image)[..., 3], smooth(4)[..., 3])


def test_jpeg_lays_transparency_on_white() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 32:] = (200, 30, 60, 255)
    half = np.zeros((64, 64, 4), np.uint8)
    half[..., 3] = 127
    seen = np.asarray(opened(encode(pixels, OutputOptions("jpeg", 100)))).astype(int)
    assert np.abs(seen[32, 8] - 255).max() <= 2
    assert np.abs(seen[32, 56] - (200, 30, 60)).max() <= 3
    assert np.abs(np.asarray(opened(encode(half, OutputOptions("jpeg", 100)))).astype(int) - 128).max() <= 2


@pytest.mark.parametrize("picture_format", FORMATS)
def test_a_mask_is_a_picture_too(picture_format: PictureFormat) -> None:
    mask = smooth(3)[..., 0]
    image = opened(encode(mask, OutputOptions(picture_format))).convert("L")
    assert np.abs(np.asarray(image).astype(int) - mask).mean() < 4


def test_media_types() -> None:
    assert [media_type(picture_format) for picture_format in FORMATS] == [
        "image/jpeg",
        "image/png",
        "image/webp",
    ]
