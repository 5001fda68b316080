"""Colours as the sender saw them: apply an embedded ICC profile, unless broken or of other colours."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from deployments.imaging.files.decoding import figure_pixels, open_upright
from deployments.messages import Pixels
from tests.support.making import PIXELS, SMOOTH, SRGB, chunk, png, saved
from tests.support.picture_files import (
    GREY,
    NAMED,
    PRESS,
    WHITE,
    WIDE,
    profile,
)

SRGB_PROFILE = ImageCms.createProfile("sRGB")


def seen(data: bytes) -> Pixels:
    return figure_pixels(open_upright(data, "character", 1_000_000))


def expected(image: Image.Image, own: bytes) -> Any:
    return np.asarray(ImageCms.profileToProfile(image, BytesIO(own), SRGB_PROFILE, outputMode="RGB"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_wide_profile(kind: str) -> None:
    data = saved(SMOOTH, kind, icc_profile=WIDE, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(BytesIO(data)) as own:
        wanted = expected(own.convert("RGB"), WIDE)
    assert np.array_equal(seen(data), wanted)
    assert np.abs(wanted.astype(int) - SMOOTH).max() > 10


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_profile(bits: int) -> None:
    samples = np.random.default_rng(bits).integers(0, 1 << bits, (20, 30), np.uint16)
    eight = (samples >> 8 if bits == 16 else samples * (255 // ((1 << bits) - 1))).astype(np.uint8)
    packed = [chunk(b"iCCP", b"linear\0\0" + zlib.compress(GREY))]
    wanted = expected(Image.fromarray(eight), GREY)
    assert np.array_equal(seen(png(samples, bits, before=packed)), wanted)
    alpha = np.full_like(samples, 7)
    if bits >= 8:
        both = seen(png(np.dstack([samples, alpha]), bits, before=packed))
        assert np.array_equal(both[..., :3], wanted)


def test_a_press_profile() -> None:
    inks = Image.fromarray(SMOOTH).convert("CMYK")
    data = saved(inks, "JPEG", quality=95, icc_profile=PRESS)
    with Image.open(BytesIO(data)) as own:
        assert own.mode == "CMYK"
        wanted, naive = expected(own, PRESS), np.asarray(own.convert("RGB"))
    assert np.array_equal(seen(data), wanted)
    assert np.abs(wanted.astype(int) - naive).max() > 10


def test_alpha_and_palettes_keep_their_transparency() -> None:
    figure = Image.fromarray(np.dstack([SMOOTH, SMOOTH[..., 0]]))
    pixels = seen(saved(figure, "PNG", icc_profile=WIDE))
    assert np.array_equal(pixels[..., :3], expected(Image.fromarray(SMOOTH), WIDE))
    assert np.array_equal(pixels[..., 3], SMOOTH[..., 0])
    few = Image.fromarray(SMOOTH).quantize(16)
    pixels = seen(saved(few, "PNG", icc_profile=WIDE, transparency=3))
    assert np.array_equal(pixels[..., :3], expected(few.convert("RGB"), WIDE))
    assert np.array_equal(pixels[..., 3] == 0, np.asarray(few) == 3)


def test_a_transparent_colour_is_recognised_by_the_files_own_numbers() -> None:
    samples = np.array(SMOOTH)
    samples[2:9, 2:9] = (10, 200, 10)
    said = [chunk(b"iCCP", b"wide\0\0" + zlib.compress(WIDE)), chunk(b"tRNS", b"\0\x0a\0\xc8\0\x0a")]
    pixels = seen(png(samples, before=said))
    assert (pixels[2:9, 2:9, 3] == 0).all()
    assert np.array_equal(pixels[..., :3], expected(Image.fromarray(samples), WIDE))


def test_srgb_changes_no_number() -> None:
    assert np.array_equal(seen(saved(PIXELS, "PNG", icc_profile=SRGB)), PIXELS)


LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
XYZ = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
MISMATCHES = {
    "a press": PRESS,
    "grey": GREY,
    "Lab": LAB,
    "XYZ": XYZ,
    "nothing": b"",
    "words": b"words",
    "half of it": WIDE[: len(WIDE) // 2],
    "a head alone": WIDE[:128],
    "a link of devices": profile(b"RGB ", NAMED, WHITE, kind=b"link", pcs=b"RGB "),
    "without curves": profile(b"RGB ", NAMED, WHITE),
    "a wild table": WIDE[:132] + b"\xff" * 200,
}


@pytest.mark.parametrize("own", MISMATCHES.values(), ids=MISMATCHES)
def test_one_that_is_broken_or_of_other_colours_is_ignored(own: bytes) -> None:
    packed = [chunk(b"iCCP", b"x\0\0" + zlib.compress(own))]
    assert np.array_equal(seen(png(PIXELS, before=packed)), PIXELS)
    data = saved(SMOOTH, "JPEG", quality=95)
    assert np.array_equal(seen(saved(SMOOTH, "JPEG", quality=95, icc_profile=own or None)), seen(data))


def test_a_profile_of_true_colours_in_a_grey_picture_is_ignored() -> None:
    packed = [chunk(b"iCCP", b"x\0\0" + zlib.compress(WIDE))]
    assert np.array_equal(seen(png(PIXELS[..., 0], before=packed))[..., 1], PIXELS[..., 0])
