"""A book to be set: its title, and a picture and a text for each page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RIGHT_TO_LEFT = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"}
)
"""Languages whose usual script is written from right to left."""


@dataclass(frozen=True)
class Page:
    """A page. `text` and `alt` are in the book's language; `picture` is a JPEG, PNG or WebP file.

    `param` is the path of its text in the request.
    """

    text: str
    alt: str
    picture: Path
    param: str = "text"


@dataclass(frozen=True)
class Book:
    """A book. `id` is 32 hex digits, and never changes. `created_at` is in seconds since 1970."""

    id: str
    title: str
    pages: Sequence[Page]
    language: str = "en"
    author: str = ""
    created_at: float = 0.0

    @property
    def right_to_left(self) -> bool:
        """Return whether the book is read from right to left."""
        language, _, rest = self.language.partition("-")
        if "Latn" in rest:
            return False
        return language in RIGHT_TO_LEFT or any(script in rest for script in ("Arab", "Hebr"))


def unhurried() -> None:
    """Do nothing between two pages: the book may take as long as it needs."""
