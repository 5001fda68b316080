"""Read the pixels of a file whatever else it contains, broken or large."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.errors import InvalidRequest
from deployments.imaging.composite.layer_tags import KEY
from deployments.imaging.files.decoding import figure_pixels, open_upright
from deployments.imaging.files.parts import MAX_PIECES
from deployments.messages import Pixels
from tests.support.making import (
    PIXELS,
    SIGNATURE,
    SMOOTH,
    SRGB,
    XMP,
    chunk,
    exif,
    jpeg,
    piece,
    png,
    saved,
    segment,
    webp,
)

NOISE = np.random.default_rng(1)
LARGE = NOISE.integers(0, 6, 1_500_000, np.uint8).tobytes()
BOMB = zlib.compress(b"\0" * 200_000_000, 9)
BREAKING = zlib.compress(b"\0" * 31_000_000, 9)[:-9] + b"\xff" * 9
THUMBNAIL = saved(SMOOTH[:20, :30], "JPEG")


def opened(data: bytes) -> Image.Image:
    return open_upright(data, "character", 1_000_000)


def pixels(data: bytes) -> Pixels:
    return figure_pixels(opened(data))


def in_many(marker: int, head: bytes, content: bytes) -> list[bytes]:
    size = 65_000
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return [segment(marker, head + bytes([n + 1, len(parts)]) + part) for n, part in enumerate(parts)]


CHUNKS: dict[str, list[bytes]] = {
    "a large profile": [chunk(b"iCCP", b"printer\0\0" + zlib.compress(LARGE))],
    "a profile that grows": [chunk(b"iCCP", b"bomb\0\0" + BOMB)],
    "many profiles that grow and break": [chunk(b"iCCP", b"x\0\0" + BREAKING)] * 300,
    "many texts that grow and break": [chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BREAKING)] * 300,
    "a profile that is not packed": [chunk(b"iCCP", b"x\0\0" + b"words")],
    "a profile without a name": [chunk(b"iCCP", b"")],
    "a profile by an unknown method": [chunk(b"iCCP", b"x\0\7" + zlib.compress(SRGB))],
    "a profile twice": [chunk(b"iCCP", b"x\0\0" + zlib.compress(SRGB))] * 2,
    "a broken profile": [chunk(b"iCCP", b"x\0\0" + zlib.compress(SRGB[:200] + b"\xff" * 900))],
    "large packed text": [chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 1_300_000))],
    "large text": [chunk(b"tEXt", b"workflow\0" + b"x" * 1_300_000)],
    "text that grows": [chunk(b"zTXt", b"workflow\0\0" + BOMB)],
    "international text that grows": [chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)],
    "much text": [chunk(b"zTXt", b"t\0\0" + zlib.compress(b"x" * 1_000_000))] * 80,
    "ten thousand texts": [chunk(b"tEXt", b"a\0b")] * 10_000,
    "broken text": [chunk(b"zTXt", b"a\0\0words"), chunk(b"iTXt", b"\xff"), chunk(b"tEXt", b"")],
    "a text called transparency": [chunk(b"tEXt", b"transparency\0\x01")],
    "a text called exif": [
        chunk(b"tEXt", b"exif\0words"),
        chunk(b"tEXt", b"Raw profile type exif\0\n\n\nxyz"),
    ],
    "texts called as what Pillow knows": [
        chunk(b"tEXt", name + b"\0" + b"7")
        for name in (b"icc_profile", b"gamma", b"dpi", b"xmp", b"default_image", b"background", b"duration")
    ],
    "broken EXIF": [chunk(b"eXIf", b"words")],
    "EXIF that claims more": [chunk(b"eXIf", exif()[:10] + b"\xff" * 40)],
    "large EXIF": [chunk(b"eXIf", exif() + LARGE)],
    "EXIF twice": [chunk(b"eXIf", b"MM\0*"), chunk(b"eXIf", exif(1))],
    "a wrong checksum": [chunk(b"tEXt", b"a\0b", sound=False), chunk(b"gAMA", b"\0\0\xb1\x8f", sound=False)],
    "odd gamma and sizes": [chunk(kind, b"\0" * 9) for kind in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT")],
    "empty oddities": [chunk(kind, b"") for kind in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tIME", b"bKGD")],
    "impossible oddities": [
        chunk(b"gAMA", b"\0\0\0\0"),
        chunk(b"cHRM", b"\0" * 32),
        chunk(b"sRGB", b"\xff"),
        chunk(b"pHYs", b"\xff" * 9),
        chunk(b"tIME", b"\xff" * 7),
        chunk(b"cICP", b"\xff" * 4),
    ],
    "unknown chunks": [chunk(b"abCd", LARGE[:999]), chunk(b"prVt", b"", sound=False), chunk(b"ZZZZ", b"x")],
    "a length too small": [chunk(b"tEXt", b"workflow\0" + b"x" * 99, length=20)],
    "a length too large": [chunk(b"tEXt", b"workflow\0" + b"x" * 99, length=150)],
    "a length beyond the file": [chunk(b"tEXt", b"workflow\0" + b"x" * 99, length=1 << 30)],
    "a transparency for the wrong colours": [chunk(b"tRNS", b"\0\1"), chunk(b"tRNS", b"\0" * 6)],
    "a transparency with a wrong checksum": [chunk(b"tRNS", b"\0" * 6, sound=False)],
    "a palette of true colours": [chunk(b"PLTE", b"\0" * 7)],
    "a broken animation": [chunk(b"acTL", b"\0\0\0\2"), chunk(b"fcTL", b"")],
    "an animation without frames": [chunk(b"acTL", b"\0\0\0\2\0\0\0\0"), chunk(b"fcTL", b"\0" * 26)],
    "frames that nothing announces": [chunk(b"fcTL", b"\0" * 26), chunk(b"fdAT", b"\0\0\0\1words")],
}


@pytest.mark.parametrize("said", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_of_a_png(said: list[bytes], place: str) -> None:
    assert np.array_equal(pixels(png(PIXELS, **{place: said})), PIXELS)  # type: ignore[arg-type]


def test_between_the_pixels_of_a_png() -> None:
    whole = png(PIXELS)
    packed = whole[41:-16]
    parts = [
        chunk(b"IDAT", packed[:900]),
        chunk(b"tEXt", b"a\0b"),
        chunk(b"IDAT", b""),
        chunk(b"IDAT", packed[900:]),
    ]
    assert np.array_equal(pixels(whole[:33] + b"".join(parts) + whole[-12:]), PIXELS)


SEGMENTS: dict[str, list[bytes]] = {
    "a large profile": in_many(0xE2, b"ICC_PROFILE\0", LARGE),
    "a profile with a part missing": in_many(0xE2, b"ICC_PROFILE\0", LARGE)[1:],
    "a profile with parts twice": in_many(0xE2, b"ICC_PROFILE\0", LARGE[:99_999]) * 2,
    "a profile of no parts": [segment(0xE2, b"ICC_PROFILE\0\0\0"), segment(0xE2, b"ICC_PROFILE\0")],
    "broken EXIF": [segment(0xE1, b"Exif\0\0words"), segment(0xE1, b"Exif\0")],
    "EXIF that claims more": [segment(0xE1, b"Exif\0\0" + exif()[:10] + b"\xff" * 40)],
    "EXIF twice": [segment(0xE1, b"Exif\0\0" + exif(1))] * 2,
    "much EXIF": [segment(0xE1, b"Exif\0\0" + exif() + LARGE[:65_000])] * 40,
    "a broken thumbnail": [segment(0xE1, b"Exif\0\0" + exif(thumbnail=THUMBNAIL[:400]))],
    "a thumbnail in EXIF of a wrong length": [
        segment(0xE1, b"Exif\0\0" + exif(thumbnail=THUMBNAIL), length=60)
    ],
    "a broken header": [segment(0xE0, b"JFIF"), segment(0xE0, b"JFIF\0\1"), segment(0xE0, b"JFXX\0")],
    "a short Adobe segment": [segment(0xEE, b"Adobe"), segment(0xEE, b"Adobe\0\x64")],
    "a broken Photoshop segment": [segment(0xED, b"Photoshop 3.0\0" + b"8BIM\3\xed\0\0\xff\xff\xff\xff")],
    "pictures that are not there": [segment(0xE2, b"MPF\0" + b"MM\0*\0\0\0\x08\0\1" + b"\xff" * 40)],
    "FlashPix": [segment(0xE2, b"FPXR\0")],
    "comments": [segment(0xFE, b"")] * 5_000,
    "large comments": [segment(0xFE, b"x" * 65_000)] * 30,
    "broken XMP": [
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:"),
        segment(0xE1, b"http://ns.adobe.com/xap/"),
    ],
    "a length of nothing": [segment(0xE5, b"", length=0), segment(0xE6, b"", length=1)],
    "a length too small": [segment(0xE5, b"x" * 99, length=20)],
    "a length too large": [segment(0xE5, b"x" * 99, length=150)],
    "a length beyond the file": [segment(0xE5, b"x" * 99, length=0xFFFF)],
    "bytes between": [segment(0xE5, b"x") + b"words"],
    "unknown segments": [segment(0xF0, b"x"), segment(0xC8, b"x")],
}


@pytest.mark.parametrize("said", SEGMENTS.values(), ids=SEGMENTS)
def test_of_a_jpeg(said: list[bytes]) -> None:
    assert np.array_equal(pixels(jpeg(*said)), pixels(jpeg()))


PIECES: dict[str, list[bytes]] = {
    "a large profile": [piece(b"ICCP", LARGE)],
    "no profile": [piece(b"ICCP", b"")],
    "a profile twice": [piece(b"ICCP", SRGB)] * 2,
    "broken EXIF": [piece(b"EXIF", b"words"), piece(b"EXIF", b"")],
    "large EXIF": [piece(b"EXIF", b"Exif\0\0" + exif() + LARGE)],
    "broken XMP": [piece(b"XMP ", b"<x:"), piece(b"XMP ", XMP)],
    "unknown pieces": [piece(b"abcd", LARGE[:99]), piece(b"EFGH", b"")],
    "a length too small": [piece(b"EXIF", exif() + b"x" * 99, length=20)],
    "a length too large": [piece(b"EXIF", exif() + b"x" * 99, length=200)],
    "a length beyond the file": [piece(b"EXIF", exif(), length=0xFFFFFFF0)],
    "parts of an animation": [piece(b"ANIM", b"\0" * 6)],
}


@pytest.mark.parametrize("said", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("flags", [0x2C, 0])
def test_of_a_webp(said: list[bytes], place: str, flags: int) -> None:
    assert np.array_equal(pixels(webp(**{place: said}, flags=flags)), PIXELS)  # type: ignore[arg-type]


@pytest.mark.parametrize("claimed", [0, 4, 100, 0xFFFFFFFE])
def test_of_a_webp_that_claims_another_length(claimed: int) -> None:
    assert np.array_equal(pixels(webp(claimed=claimed)), PIXELS)


def test_a_webps_alpha_is_its_own() -> None:
    figure = Image.fromarray(SMOOTH).convert("RGBA")
    figure.putalpha(Image.linear_gradient("L").resize(figure.size))
    for lossless in (True, False):
        plain = saved(figure, "WEBP", lossless=lossless, quality=90)
        reported = saved(
            figure, "WEBP", lossless=lossless, quality=90, exif=exif(), icc_profile=SRGB, xmp=XMP
        )
        assert np.array_equal(pixels(reported), pixels(plain))
        assert np.array_equal(pixels(reported)[..., 3], np.asarray(figure)[..., 3])


@pytest.mark.parametrize("data", [png(PIXELS), jpeg(), webp()], ids=["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "behind", [b"\0", b"words" * 99, b"whole", LARGE], ids=["NUL", "words", "again", "much"]
)
def test_what_comes_behind_the_picture(data: bytes, behind: bytes) -> None:
    assert np.array_equal(pixels(data + (data if behind == b"whole" else behind)), pixels(data))


def test_a_png_may_lack_its_end() -> None:
    assert np.array_equal(pixels(png(PIXELS)[:-12]), PIXELS)


def test_a_layers_text_and_the_kind_of_source_are_still_heard() -> None:
    texts = [chunk(b"tEXt", KEY.encode() + b"\0{}"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)]
    assert opened(png(PIXELS, before=[*CHUNKS["broken text"], *texts])).info == {KEY: "{}", "xmp": XMP}
    assert opened(jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP))).info == {"xmp": XMP}
    assert opened(webp(after=[piece(b"XMP ", XMP)])).info == {"xmp": XMP}


TURNED = [Image.fromarray(SMOOTH).transpose(turn) for turn in (0, 3, 1, 5, 4, 6, 2)]
"""SMOOTH, as orientations 2 to 8 show it."""
RAW = b"\nexif\n%8d\n" % len(exif(6)) + exif(6).hex().encode()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photograph_is_turned_upright(orientation: int) -> None:
    turned = TURNED[orientation - 2]
    block = exif(orientation)
    files = {
        "png": png(SMOOTH, before=[chunk(b"eXIf", block)]),
        "png behind": png(SMOOTH, after=[chunk(b"eXIf", b"MM"), chunk(b"eXIf", block)]),
        "webp": webp(after=[piece(b"EXIF", block)], pixels=SMOOTH),
        "webp with a prefix": webp(after=[piece(b"EXIF", b"Exif\0\0" + block)], pixels=SMOOTH),
        "by XMP": png(SMOOTH, before=[xmp_of(orientation)]),
    }
    for name, data in files.items():
        assert np.array_equal(pixels(data), np.asarray(turned)), name
    photograph = opened(jpeg(segment(0xE1, b"Exif\0\0" + block)))
    assert photograph.size == turned.size
    assert np.abs(np.asarray(photograph, np.int16) - np.asarray(turned, np.int16)).mean() < 6


def xmp_of(orientation: int) -> bytes:
    text = XMP.replace(b"<rdf:RDF>", b'<rdf:RDF tiff:Orientation="%d">' % orientation)
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text)


@pytest.mark.parametrize("text", [chunk(b"tEXt", b"Raw profile type exif\0" + RAW)], ids=["ImageMagick's"])
def test_an_orientation_in_hex_is_heard(text: bytes) -> None:
    assert np.array_equal(pixels(png(SMOOTH, before=[text])), np.asarray(TURNED[4]))


@pytest.mark.parametrize("orientation", [0, 9, 1000])
def test_an_orientation_that_is_none_turns_nothing(orientation: int) -> None:
    assert np.array_equal(pixels(png(SMOOTH, before=[chunk(b"eXIf", exif(orientation))])), SMOOTH)


def test_an_intel_block_is_read() -> None:
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHIHH", 1, 0x0112, 3, 1, 3, 0)
    assert np.array_equal(pixels(png(SMOOTH, before=[chunk(b"eXIf", block)])), np.asarray(TURNED[1]))


SAID = {
    "PNG": [
        chunk(b"eXIf", exif()),
        chunk(b"tEXt", b"a\0" + b"b" * 99),
        chunk(b"pHYs", b"\0\0\1\0\0\0\1\0\1"),
    ],
    "JPEG": [segment(0xE1, b"Exif\0\0" + exif(thumbnail=THUMBNAIL)), segment(0xE5, bytes(range(256)))],
    "WEBP": [piece(b"EXIF", exif()), piece(b"XMP ", XMP)],
}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(list(SAID)),
    at=st.floats(0, 1, exclude_max=True),
    bytes_=st.binary(min_size=1, max_size=6),
)
def test_whatever_is_changed_in_it(kind: str, at: float, bytes_: bytes) -> None:
    """Change all but the names and lengths of JPEG segments, which distinguish its tables from the rest."""
    said = bytearray(b"".join(SAID[kind]))
    for offset, byte in enumerate(bytes_, int(at * len(said))):
        if offset < len(said) and not (
            kind == "JPEG" and said[offset - 1 : offset] in (b"\xff", b"\xe1", b"\xe5")
        ):
            said[offset] = byte
    changed = bytes(said)
    if kind == "PNG":
        data, plain = png(PIXELS, before=[changed]), png(PIXELS)
    elif kind == "JPEG":
        data, plain = jpeg(changed), jpeg()
    else:
        data, plain = webp(after=[changed]), webp()
    seen, wanted = pixels(data), pixels(plain)
    turns = [wanted, wanted[::-1], wanted[:, ::-1], wanted[::-1, ::-1]]
    sides = [each.transpose(1, 0, 2) for each in turns]
    assert any(np.array_equal(seen, each) for each in (*turns, *sides)), "it may declare another orientation"


def test_the_signature_alone_is_no_picture() -> None:
    for data in (SIGNATURE, b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"):
        with pytest.raises(InvalidRequest, match="not a valid"):
            opened(data)


@pytest.mark.parametrize(
    "data",
    [
        png(PIXELS, before=[chunk(b"abCd", b"") * MAX_PIECES]),
        jpeg(segment(0xE5, b"") * MAX_PIECES),
        webp(before=[piece(b"abcd", b"") * MAX_PIECES]),
    ],
    ids=["PNG", "JPEG", "WEBP"],
)
def test_more_parts_than_a_picture_has_are_refused(data: bytes) -> None:
    """They would only cost time."""
    with pytest.raises(InvalidRequest, match="not a valid"):
        opened(data)
