"""Find blocked words in a prompt: whole words, ignoring case, accents, marks and punctuation.

It does not find words that are misspelt on purpose (`w0rd`, `w o r d`) or written with look-alike letters of
another script. `safety.text_check` can call a service that recognises those.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

INVISIBLE = ("Mn", "Me", "Cf")
"""Accents, enclosing marks, and format characters: joiners, soft hyphens, text directions."""


def folded(text: str) -> str:
    """Return the normalised form in which words are compared."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = "".join(each for each in apart if unicodedata.category(each) not in INVISIBLE)
    return " ".join(re.split(r"[\W_]+", seen)).strip()


def has_blocked_word(words: tuple[str, ...], text: str) -> bool:
    """Return whether the text contains a blocked word, or all words of a blocked phrase in a row."""
    found = _pattern(words)
    return found is not None and found.search(f" {folded(text)} ") is not None


def idle_word(words: tuple[str, ...]) -> str | None:
    """Return a word that can never match, since it has neither letters nor digits."""
    return next((word for word in words if not folded(word)), None)


@lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    forms = sorted({form for word in words if (form := folded(word))}, key=len, reverse=True)
    return re.compile(f" (?:{'|'.join(map(re.escape, forms))}) ") if forms else None
