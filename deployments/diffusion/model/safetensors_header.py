"""Read the header of a safetensors file, without its tensors and without torch."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from deployments.errors import ModelUnusable, NotReady

LARGEST_HEADER_BYTES = 100_000_000
"""The limit of safetensors itself."""
METADATA = "__metadata__"


@dataclass(frozen=True)
class Header:
    """The header of a safetensors file.

    `shapes` has each tensor's shape by its name. `metadata` is what the trainer wrote.
    """

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.shapes)


def read_header(file: Path, shown: str) -> Header:
    """Read a file's header, and check the file's size against it.

    Raises NotReady if the file is missing, unreadable or cut short (a copy may still be under way), and
    ModelUnusable if it is corrupt. Both call it `shown`.
    """
    # https://huggingface.co/docs/safetensors: eight bytes of length, a header in JSON, then the tensors.
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            prefix = stream.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
            if length > size - 8:
                raise NotReady(f"{shown} is cut short or not a safetensors file")
            if length > LARGEST_HEADER_BYTES:
                raise ModelUnusable(f"{shown} is corrupt: its header has {length} bytes")
            entries = json.loads(stream.read(length))
        metadata = entries.pop(METADATA, None) or {}
        shapes = {name: tuple(map(int, tensor["shape"])) for name, tensor in entries.items()}
        end = 8 + length + max((int(tensor["data_offsets"][1]) for tensor in entries.values()), default=0)
    except FileNotFoundError as error:
        raise NotReady(f"{shown} is missing") from error
    except OSError as error:
        raise NotReady(f"{shown} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ModelUnusable(f"{shown} is corrupt: its header cannot be read") from error
    if end > size:
        raise NotReady(f"{shown} is cut short: {size} bytes instead of {end}")
    if end < size:
        raise ModelUnusable(f"{shown} is corrupt: {size} bytes instead of {end}")
    if any(prod(shape) for shape in shapes.values()):  # safetensors refuses a file without any data.
        _check(file, shown)
    return Header(shapes, _text_of(metadata))


def _check(file: Path, shown: str) -> None:
    """Let safetensors itself check that types, shapes and offsets agree."""
    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ModelUnusable(f"{shown} is corrupt: {error}") from error
    except OSError as error:
        raise NotReady(f"{shown} cannot be read: {error.strerror or error}") from error


def _text_of(metadata: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}
