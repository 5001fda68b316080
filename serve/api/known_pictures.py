"""Describe the pictures that a request's layers name, as they are known when it is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .layer_schema import PictureInput


@dataclass(frozen=True, kw_only=True)
class InputPicture:
    """A picture that a layer names. `name` is its file's name, the SHA-256 of its bytes."""

    name: str
    width: int
    height: int


Known = Mapping[PictureInput, InputPicture]
NONE: Known = {}
UNREAD = InputPicture(name="", width=512, height=512)
"""The placeholder for a picture that is not read yet. A layer is fitted to a picture's size and never refused
for it, and no other bound refuses this size."""


def as_unread(pictures: Iterable[PictureInput]) -> Known:
    """Map each picture to the placeholder for one that is not read yet."""
    return dict.fromkeys(pictures, UNREAD)


@dataclass(frozen=True)
class InputPictures:
    """A request's pictures: their names and sizes, and their files' bytes by name."""

    known: Known = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


NO_INPUTS = InputPictures()
