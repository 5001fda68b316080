"""The pictures that a request's layers start from, as they are known when it is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .layer_schema import PictureInput


@dataclass(frozen=True, kw_only=True)
class InputPicture:
    """A picture that a layer names. `name`: that of its file, the SHA-256 of its bytes."""

    name: str
    width: int
    height: int


Known = Mapping[PictureInput, InputPicture]
NONE: Known = {}
UNREAD = InputPicture(name="", width=512, height=512)
"""The stand-in for a picture before it is read. A layer is fitted to a picture's size, and never refused for
it, and no other bound refuses this one."""


def as_unread(pictures: Iterable[PictureInput]) -> Known:
    """Return the pictures as they are taken to be before any of them is read."""
    return dict.fromkeys(pictures, UNREAD)


@dataclass(frozen=True)
class InputPictures:
    """Facts of a request's pictures, and their files by name."""

    known: Known = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


NO_INPUTS = InputPictures()
