"""Read the words that a model knows from a file beside its weights, and find those that it does not know."""

from __future__ import annotations

import json
import logging
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "known_words.json"
MOST_BYTES = 1 << 20
LISTED = 8
LONGEST = 40
PICTURES_FROM = "\u2600"
"""Symbols from here on are pictures, such as emoji, and count as words."""
_GRAMMAR = """
a an the and or but nor not no yes of in on at by to from for with without into onto upon over under
above below behind before after beside between among around near next through across along against
towards toward inside outside within up down off out as than then while when where who whom whose
which what that this these those there here it its he him his she her hers they them their theirs we
us our i me my you your one some any each every all both is are was were be been being am has have
had having do does did doing can could will would shall should may might must so very too just only
also s t
"""
GRAMMAR = frozenset(_GRAMMAR.split())
"""Words that hold a sentence together. They are never reported as unknown."""


@dataclass(frozen=True)
class KnownWords:
    """The words that a model was taught, in lower case, and `offers`, groups of things that it can paint."""

    words: frozenset[str]
    offers: tuple[tuple[str, tuple[str, ...]], ...] = ()


def unknown_words(prompt: str, known: KnownWords) -> list[str]:
    """Return the prompt's words that are neither known, in singular or plural, nor grammar; each once."""
    found = dict.fromkeys(_words(prompt))
    return [word for word in found if word not in GRAMMAR and not _forms(word) & known.words]


def unknown_words_warning(model: str, prompt: str, known: KnownWords | None) -> tuple[str, ...]:
    """Return a sentence that names the words of the prompt that the model does not know, or nothing."""
    unknown = [] if known is None else unknown_words(prompt, known)
    if not unknown:
        return ()
    listed = ", ".join(word[:LONGEST] for word in unknown[:LISTED])
    more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
    return (f"{model} does not know: {listed}{more}",)


def read_known_words(place: Path | None) -> KnownWords | None:
    """Return the words that a model's folder lists as known, None if its file is missing or unreadable."""
    file = None if place is None else place / FILE
    try:
        state = file.stat() if file is not None else None
    except OSError:
        return None
    if file is None or state is None or state.st_size > MOST_BYTES:
        return None
    return _read(file, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=16)
def _read(file: Path, stamp: object) -> KnownWords | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        words, offers = content["words"], content.get("offers", {})
        groups = [words, *offers.values()]
        if not all(isinstance(group, list) and all(isinstance(w, str) for w in group) for group in groups):
            raise TypeError("words are not strings")
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        log.warning("%s/%s cannot be read: unknown words cause no warnings", file.parent.name, FILE)
        return None
    taught = frozenset(part for word in words for part in _words(word))
    return KnownWords(taught, tuple((name, tuple(group)) for name, group in offers.items()))


def _words(text: str) -> list[str]:
    """Return the runs of letters, in lower case, and every picture by itself."""
    parts = []
    for letter in unicodedata.normalize("NFC", text).lower():
        category = unicodedata.category(letter)
        if category[0] in "LM" and not "\ufe00" <= letter <= "\ufe0f":
            parts.append(letter)
        else:
            parts.append(f" {letter} " if category == "So" and letter >= PICTURES_FROM else " ")
    return "".join(parts).split()


def _forms(word: str) -> set[str]:
    """Return the word and its possible singular and plural."""
    forms = {word, f"{word}s", word.removesuffix("s"), word.removesuffix("es")}
    for plural, singular in (("ies", "y"), ("ves", "f"), ("men", "man")):
        if word.endswith(plural):
            forms.add(word.removesuffix(plural) + singular)
    return forms
