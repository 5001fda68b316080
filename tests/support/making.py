"""Assemble picture files by hand, with any metadata besides their pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
SMOOTH = np.asarray(Image.fromarray(PIXELS[:5, :6]).resize((60, 40), Image.Resampling.BICUBIC))
"""Pixels for lossy formats."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF></rdf:RDF></x:xmpmeta>'


def saved(pixels: Any, kind: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    data = BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def chunk(kind: bytes, content: bytes, sound: bool = True, length: int | None = None) -> bytes:
    """Make a chunk of a PNG; its checksum and its claimed length may be wrong."""
    check = zlib.crc32(kind + content) ^ (0 if sound else 0x5A5A5A5A)
    return (
        struct.pack(">I", len(content) if length is None else length)
        + kind
        + content
        + struct.pack(">I", check)
    )


def png(
    pixels: NDArray[Any],
    bits: int = 8,
    color: int | None = None,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
) -> bytes:
    """Make a PNG of samples (h, w) or (h, w, n), with chunks `before` and `after` the pixels."""
    samples = pixels if pixels.ndim == 3 else pixels[..., None]
    high, wide, channels = samples.shape
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if color is None else color
    flat = samples.reshape(high, -1)
    if bits == 16:
        rows = flat.astype(">u2").view(np.uint8).reshape(high, -1)
    else:
        single = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
        rows = np.packbits(single.reshape(high, -1), axis=-1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, bits, color, 0, 0, 0))
    body = [header, *before, chunk(b"IDAT", zlib.compress(raw)), *after, chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(body)


def segment(marker: int, content: bytes, length: int | None = None) -> bytes:
    """Make a segment of a JPEG; its claimed length may be wrong."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2 if length is None else length) + content


def jpeg(*segments: bytes, pixels: Any = SMOOTH) -> bytes:
    """Make a JPEG with the segments right after its start."""
    plain = saved(pixels, "JPEG", quality=95)
    return plain[:2] + b"".join(segments) + plain[2:]


def piece(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    """Make a chunk of a WebP; its claimed length may be wrong."""
    claimed = len(content) if length is None else length
    return kind + struct.pack("<I", claimed) + content + b"\0" * (len(content) % 2)


def webp(
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
    flags: int = 0x2C,
    pixels: Any = PIXELS,
    claimed: int | None = None,
) -> bytes:
    """Make a lossless WebP with pieces `before` and `after` the picture; `flags` claim ICC, EXIF and XMP."""
    plain = saved(pixels, "WEBP", lossless=True)
    high, wide = pixels.shape[:2]
    canvas = struct.pack("<I", wide - 1)[:3] + struct.pack("<I", high - 1)[:3]
    body = (
        b"WEBP" + piece(b"VP8X", bytes([flags, 0, 0, 0]) + canvas) + b"".join([*before, plain[12:], *after])
    )
    return b"RIFF" + struct.pack("<I", len(body) if claimed is None else claimed) + body


def exif(orientation: int | None = None, thumbnail: bytes = b"") -> bytes:
    """Make a big-endian TIFF block."""
    entries = [(0x010F, 2, 4, b"Me!\0")]
    if orientation is not None:
        entries.append((0x0112, 3, 1, struct.pack(">HH", orientation, 0)))
    said = struct.pack(">H", len(entries))
    said += b"".join(struct.pack(">HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"MM\0*\0\0\0\x08" + said + struct.pack(">I", 0) + thumbnail
