"""Damage stored pictures in every way that a disk does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serve.pictures.picture_files import RemotePictures

ROT: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "cut short": lambda data: data[:-1],
    "made longer": lambda data: data + b"\0",
    "one bit flipped": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "another picture": lambda data: b"another picture",
}


def spoil(pictures: Any, name: str, data: bytes | None) -> None:
    """Overwrite a kept file without the store's knowledge; None removes it."""
    path = pictures._path(name)
    if isinstance(pictures, RemotePictures):
        pictures._files.rm_file(path) if data is None else pictures._files.pipe_file(path, data)
    else:
        path.unlink() if data is None else path.write_bytes(data)
