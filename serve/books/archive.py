"""Write a story as a ZIP: its pictures, their layers, and the request that makes it again."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .epub import OLDEST

SUFFIXES = {"jpeg": "jpg", "png": "png", "webp": "webp"}


def write_zip(
    request: Mapping[str, Any], responses: Iterable[bytes], inputs: Iterable[tuple[str, bytes]], file: Path
) -> None:
    """Write a story into a file. The same story gives the same bytes.

    `responses` are each page's picture, or its whole response as JSON. `inputs` are the pictures that the
    request names, with their ids. Each is dropped once it is written. Raises OSError, and what the iterables
    raise.
    """
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, "story.json", json.dumps(request, ensure_ascii=False, indent=2).encode(), True)
        for name, data in inputs:
            _add(archive, f"pictures/{name}.png", data)
        for number, kept in enumerate(responses):
            for name, data in _files(f"page-{number:03}", kept):
                _add(archive, name, data)


def _add(archive: zipfile.ZipFile, name: str, data: bytes, packed: bool = False) -> None:
    info = zipfile.ZipInfo(name, OLDEST)
    info.compress_type = (
        zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    )  # Pictures are already compressed.
    archive.writestr(info, data)


def _files(name: str, kept: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a page's files: the picture, and each layer if the whole response was kept."""
    if not kept.startswith(b"{"):
        yield f"{name}.{_suffix(kept)}", kept
        return
    response = json.loads(kept)
    yield f"{name}.{SUFFIXES[response['image']['format']]}", _data(response["image"])
    for layer, found in response.get("layers", {}).items():
        if not isinstance(found, list):
            yield f"{name}/{layer}.png", _data(found)
            continue
        single = {"characters": "character", "masks": "mask"}.get(layer, layer)
        for index, picture in enumerate(found):
            yield f"{name}/{single}-{index}.png", _data(picture)


def _data(picture: Mapping[str, Any]) -> bytes:
    return base64.b64decode(picture["b64_json"])


def _suffix(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "png"
    return "webp" if data.startswith(b"RIFF") else "jpg"
