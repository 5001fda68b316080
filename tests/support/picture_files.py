"""Make picture files of many kinds."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from deployments.imaging.composite.layer_tags import KEY
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import OutputOptions
from tests.support.making import (
    PIXELS,
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


def tag(signature: bytes, content: bytes) -> tuple[bytes, bytes]:
    return signature, content + b"\0" * (-len(content) % 4)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space: bytes, *tags: tuple[bytes, bytes], kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    """Make an ICC profile, version 2."""
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
"""A profile with Adobe RGB's primaries."""


GREY = profile(b"GRAY", NAMED, WHITE, tag(b"kTRC", gamma(1.0)))
"""A gray profile in linear light."""


def ink_table() -> bytes:
    """Make a press's profile: 16 corners of ink to Lab, where each ink darkens by its own share."""
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


TAG = (
    '{"layer":"%s","scene":"0","mode":"%s","confidence":0.9,"options":{"mode":"auto","position":"left",'
    '"width_px":128,"height_px":64,"scale":1.0,"harmonize":0.5,"shadow":true,"contrast":null}}'
)


CLEAR = Image.fromarray(SMOOTH).convert("RGBA")


MOVING = {"save_all": True, "append_images": [Image.fromarray(PIXELS)]}


FILES: dict[str, bytes] = {
    "png": png(PIXELS, before=[chunk(b"tEXt", b"a\0b"), chunk(b"eXIf", exif(6)), chunk(b"tRNS", b"\0" * 6)]),
    "png in grey": png(PIXELS[..., 0] >> 6, 2, before=[chunk(b"tRNS", b"\0\1")]),
    "png at 16 bits": png(PIXELS.astype("u2") << 7, 16, before=[chunk(b"tRNS", b"\0\1\0\1\0\1")]),
    "png by a profile": png(PIXELS, before=[chunk(b"iCCP", b"x\0\0" + zlib.compress(WIDE, 0))]),
    "png in grey by a profile": saved(PIXELS[..., 0], "PNG", icc_profile=GREY),
    "png by a palette": saved(Image.fromarray(PIXELS).quantize(9), "PNG", transparency=2),
    "png with alpha": saved(CLEAR, "PNG", xmp=XMP),
    "jpeg": jpeg(
        segment(0xE1, b"Exif\0\0" + exif(3)), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    ),
    "jpeg of a press": saved(CLEAR.convert("CMYK"), "JPEG", icc_profile=PRESS, progressive=True),
    "webp": webp(before=[piece(b"ICCP", SRGB)], after=[piece(b"EXIF", exif(8)), piece(b"XMP ", XMP)]),
    "webp with alpha": saved(CLEAR, "WEBP", quality=50, exif=exif(2)),
    "animation": saved(SMOOTH, "WEBP", **MOVING),
    "moving png": saved(SMOOTH, "PNG", **MOVING),
    "a layer": encode(CLEAR, OutputOptions("png"), texts={KEY: TAG % ("character", "cutout")}).data,
}


PLACE = encode(SMOOTH, OutputOptions("png"), texts={KEY: TAG % ("background", "cutout")}).data
