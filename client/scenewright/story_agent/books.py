"""Describe a book for `Scenewright.stories.create`, with a project's own settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .generation import CHARACTER_SEED
from .settings import AgentSettings, default_settings


@dataclass(frozen=True)
class BookPage:
    """One page: the text below its picture, and the prompts for its character and background."""

    text: str
    character: str
    background: str


def book_request(
    title: str, pages: Sequence[BookPage], settings: AgentSettings | None = None
) -> dict[str, Any]:
    """Return the fields of a story with the project's steps, sizes and merge.

    The same description has the same seed on every page, so that a hero stays the same hero.
    """
    settings = settings or default_settings()
    merging = settings.merging
    figure = {**settings.layer("character"), "position": merging.position}
    return {
        "title": title,
        "seed": CHARACTER_SEED,
        "pages": [
            {
                "text": page.text,
                "characters": [{"prompt": page.character, **figure}],
                "background": {"prompt": page.background, **settings.layer("background")},
                "merge": {"mode": merging.mode},
            }
            for page in pages
        ],
        "frame": {"width": merging.width, "height": merging.height},
        "output": {"format": "jpeg", "quality": merging.quality},
    }
