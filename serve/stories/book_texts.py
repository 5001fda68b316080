"""Choose a book's language and fonts, and collect its texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deployments.errors import InvalidRequest

from ..books.book_fonts import Fonts, MissingGlyph
from .kept_story import Story
from .pages import shown_in
from .texts import NO_LETTER, in_language, languages_of


def book_language(story: Story, asked: str | None) -> str:
    request = story.request
    known = languages_of([request.title, *(page.text for page in request.pages)], request.language)
    if asked is None and known:
        return known[0]
    if asked in known:
        return str(asked)
    listed = ", ".join(known) or "none"
    message = (
        f"not every page has a text in {asked or request.language}; languages that every page has: {listed}"
    )
    raise InvalidRequest(message, "language")


def book_texts(story: Story, language: str) -> dict[str, str]:
    """Return a book's texts by parameter path: the title, the author, then each page's text."""
    request = story.request
    texts = {
        "title": in_language(request.title, language, request.language),
        "author": request.author,
        **{
            f"pages.{number}.text": in_language(request.pages[number].text, language, request.language)
            for number in story.in_books()
        },
    }
    return {param: text or "" for param, text in texts.items()}


def alt_text(story: Story, number: int, language: str) -> str:
    page = story.request.pages[number]
    own = in_language(page.alt, language, story.request.language) if page.alt else None
    return own or re.sub(NO_LETTER, " ", shown_in(page, story.members))


def chosen_fonts(fonts: Fonts, texts: Mapping[str, str], language: str) -> Any:
    """Return the fonts of a book. Raises InvalidRequest with the parameter whose text no font covers."""
    try:
        return fonts.for_texts(texts.values(), language)
    except MissingGlyph as missing:
        param = next((name for name, text in texts.items() if missing.letter in text), "title")
        message = f"{param}: {missing}; an operator can add fonts under books.fonts"
        raise InvalidRequest(message, param) from None
