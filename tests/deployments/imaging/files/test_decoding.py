"""Uploaded files: which are accepted, their orientation, and which are refused before they do harm."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.errors import InvalidRequest
from deployments.imaging.files import decoding
from deployments.imaging.files.decoding import (
    figure_pixels,
    measure,
    open_upright,
    place_pixels,
)

ROOMY = 1_000_000
ORIENTATION = 0x0112
SCENERY = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))


def file(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    data = BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that declares a size, but has no pixel data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", size), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def refusal(data: bytes, max_pixels: int = ROOMY) -> str:
    with pytest.raises(InvalidRequest) as raised:
        open_upright(data, "character", max_pixels)
    assert raised.value.param == "character"
    return raised.value.message


@pytest.mark.parametrize("read", [open_upright, measure])
def test_a_fault_that_no_damage_explains_is_logged(
    read: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidRequest):
        read(file(SCENERY)[:-30].replace(b"IDAT", b"JDAT"), "character", ROOMY)
    assert not caplog.records

    def broken(data: bytes) -> Any:
        raise AttributeError("no such part")

    monkeypatch.setattr(decoding, "_split", broken)
    with pytest.raises(InvalidRequest, match="character is not a valid PNG, JPEG or WebP picture"):
        read(file(SCENERY), "character", ROOMY)
    assert [record.exc_info and str(record.exc_info[1]) for record in caplog.records] == ["no such part"]


@pytest.mark.parametrize("read", [open_upright, measure])
def test_a_machine_without_memory_is_no_damaged_picture(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(data: bytes) -> Any:
        raise MemoryError

    monkeypatch.setattr(decoding, "_split", full)
    with pytest.raises(MemoryError):
        read(file(SCENERY), "character", ROOMY)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_lossless_comes_as_it_is(kind: str) -> None:
    pixels = place_pixels(open_upright(file(SCENERY, kind, lossless=True), "background", ROOMY))
    assert np.array_equal(pixels, np.asarray(SCENERY))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGB"])
def test_every_way_to_keep_colours_becomes_rgb(mode: str) -> None:
    data = file(SCENERY.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    assert figure_pixels(open_upright(data, "character", ROOMY)).shape == (40, 60, 3)


def test_sixteen_bits_are_scaled_to_eight() -> None:
    deep = Image.fromarray(np.full((20, 20), 0x8040, np.uint16))
    opened = open_upright(file(deep), "character", ROOMY)
    assert (figure_pixels(opened) == 0x80).all()
    assert (place_pixels(opened) == 0x80).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_is_turned_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    assert open_upright(file(SCENERY, kind, exif=exif), "character", ROOMY).size == (40, 60)


def test_transparency_is_honoured_and_an_alpha_that_hides_nothing_is_none() -> None:
    figure = SCENERY.convert("RGBA")
    assert figure_pixels(open_upright(file(figure), "character", ROOMY)).shape == (40, 60, 3)
    figure.putpixel((3, 4), (10, 20, 30, 77))
    pixels = figure_pixels(open_upright(file(figure), "character", ROOMY))
    assert pixels[4, 3].tolist() == [10, 20, 30, 77]


def test_a_transparent_place_is_on_white() -> None:
    clear = Image.new("RGBA", (20, 20), (9, 9, 9, 0))
    assert (place_pixels(open_upright(file(clear), "background", ROOMY)) == 255).all()


@pytest.mark.parametrize(("width", "height"), [(1001, 1000), (20_000, 20_000), (100_000, 100_000)])
def test_what_is_too_large_is_refused_by_its_header(width: int, height: int) -> None:
    assert refusal(png_header(width, height)) == "character has more than 1 million pixels"


def test_what_is_too_small_is_refused() -> None:
    assert "at least 16 pixels" in refusal(file(SCENERY.resize((15, 400))))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_half_a_file_is_refused(kind: str, share: float) -> None:
    whole = file(SCENERY, kind)
    assert "not a valid PNG, JPEG or WebP" in refusal(whole[: int(share * len(whole))])


@pytest.mark.parametrize("data", [b"", b"words", *(file(SCENERY, kind) for kind in ("GIF", "BMP", "TIFF"))])
def test_other_files_are_refused(data: bytes) -> None:
    assert "not a valid PNG, JPEG or WebP" in refusal(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind: str) -> None:
    moving = file(SCENERY, kind, save_all=True, append_images=[SCENERY.rotate(90)])
    assert "animation" in refusal(moving)


def test_a_phones_second_picture_is_passed_over() -> None:
    two = file(SCENERY, "MPO", save_all=True, append_images=[SCENERY.resize((30, 20))])
    assert open_upright(two, "character", ROOMY).size == (60, 40)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    at=st.floats(0, 1, exclude_max=True),
    bytes_=st.binary(min_size=1, max_size=8),
)
def test_a_damaged_file_is_a_picture_or_a_refusal(kind: str, at: float, bytes_: bytes) -> None:
    data = bytearray(file(SCENERY, kind))
    start = int(at * len(data))
    data[start : start + len(bytes_)] = bytes_
    with suppress(InvalidRequest):
        opened = open_upright(bytes(data), "character", ROOMY)
        assert figure_pixels(opened).ndim == 3
        assert place_pixels(opened).shape[2] == 3
