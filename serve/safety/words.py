"""Find blocked words in a prompt, however they are written: whole words, without case, accents or marks.

Not found are words that are spelt otherwise on purpose (`w0rd`, `w o r d`), or with letters of another script
that look alike. `safety.text_check` is the place for a service that knows better.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

INVISIBLE = ("Mn", "Me", "Cf")
"""Accents, enclosing marks, and what only formats: joiners, soft hyphens, directions."""


def folded(text: str) -> str:
    """Return the text in the form in which words are compared."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = "".join(each for each in apart if unicodedata.category(each) not in INVISIBLE)
    return " ".join(re.split(r"[\W_]+", seen)).strip()


def has_blocked_word(words: tuple[str, ...], text: str) -> bool:
    """Return whether the text has one of the words, or all words of one in a row."""
    found = _pattern(words)
    return found is not None and found.search(f" {folded(text)} ") is not None


def idle_word(words: tuple[str, ...]) -> str | None:
    """Return a word that can never be found, since it has neither letters nor digits."""
    return next((word for word in words if not folded(word)), None)


@lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    forms = sorted({form for word in words if (form := folded(word))}, key=len, reverse=True)
    return re.compile(f" (?:{'|'.join(map(re.escape, forms))}) ") if forms else None
