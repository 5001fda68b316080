"""Colours as their sender saw them: an embedded ICC profile is honoured, unless it is broken or another's."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from deployments.imaging.files.decoding import figure_pixels, open_upright
from deployments.messages import Pixels
from tests.support.making import PIXELS, SMOOTH, SRGB, chunk, png, saved

SRGB_PROFILE = ImageCms.createProfile("sRGB")


def seen(data: bytes) -> Pixels:
    return figure_pixels(open_upright(data, "character", 1_000_000))


def tag(signature: bytes, content: bytes) -> tuple[bytes, bytes]:
    return signature, content + b"\0" * (-len(content) % 4)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space: bytes, *tags: tuple[bytes, bytes], kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    """ICC, version 2."""
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, content in tags:
        table += signature + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02400000, kind, space, pcs) + b"\0" * 12 + b"acsp"
    head = head.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249)
    whole = head.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def text(words: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + b"\0" * 79


WHITE = tag(b"wtpt", b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249))
NAMED = tag(b"desc", text(b"test"))
ADOBE = {
    b"r": (0.60974, 0.31111, 0.01947),
    b"g": (0.20528, 0.62567, 0.06087),
    b"b": (0.14919, 0.06322, 0.74457),
}
WIDE = profile(
    b"RGB ",
    NAMED,
    WHITE,
    *(tag(name + b"XYZ", b"XYZ \0\0\0\0" + fixed(*values)) for name, values in ADOBE.items()),
    *(tag(name + b"TRC", gamma(2.2)) for name in ADOBE),
)
"""Adobe RGB's primaries."""
GREY = profile(b"GRAY", NAMED, WHITE, tag(b"kTRC", gamma(1.0)))
"""Linear light."""


def ink_table() -> bytes:
    """Of a press: 16 corners of ink to Lab, every ink alone darkens by its share."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), -1).reshape(-1, 4)
    lightness = np.clip(100 - corners @ (30, 35, 10, 80), 4, 100)
    a = corners @ (-30, 60, -5, 0)
    b = corners @ (-40, -5, 80, 0)
    lab = np.stack([lightness * 255 / 100, a + 128, b + 128], -1)
    identity = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    linear = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity
    return head + linear * 4 + np.clip(np.rint(lab), 0, 255).astype(np.uint8).tobytes() + linear * 3


PRESS = profile(b"CMYK", NAMED, WHITE, tag(b"A2B0", ink_table()), kind=b"prtr", pcs=b"Lab ")


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


def test_a_transparent_colour_is_told_by_the_files_own_numbers() -> None:
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
