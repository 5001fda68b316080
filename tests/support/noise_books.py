"""Make books whose pictures are noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from serve.books.book import Book, Page

MakeBook = Callable[..., Book]
LONG = " ".join(f"word{number}" for number in range(90))
LONGER = " ".join(f"more{number}" for number in range(1_500))


@pytest.fixture
def a_book(tmp_path: Path) -> MakeBook:
    def make(
        texts: Sequence[str],
        language: str = "en",
        title: str = "Mira & <the> rain",
        sizes: Sequence[tuple[int, int]] = ((256, 128),),
        kind: str = "jpeg",
        author: str = "",
    ) -> Book:
        pages = []
        for number, text in enumerate(texts):
            file = tmp_path / f"page-{number}"
            Image.effect_noise(sizes[number % len(sizes)], 90).convert("RGB").save(file, kind)
            pages.append(Page(text, f'Mira, "{number}" & more', file))
        return Book("0" * 31 + "1", title, pages, language, author, 1_796_000_000.5)

    return make
