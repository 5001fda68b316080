"""Requests for stories, small enough to be painted in a moment."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {"steps": 1, "width": 64, "height": 64}


def page(
    text: str = "Mira walks.", words: str = "walks", place: str = "a wood", **more: Any
) -> dict[str, Any]:
    return {
        "text": text,
        "characters": [{"cast": "mira", "prompt": words, **TINY}],
        "background": {"prompt": place, **TINY},
        **more,
    }


def story(pages: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "title": "Mira and the rain",
        "cast": {"mira": {"description": "a girl in a red coat"}},
        "pages": [page(f"Page {number}.", place=f"a wood, day {number}") for number in range(pages)],
        "frame": {"width": 128, "height": 64},
        "seed": 7,
        **more,
    }
