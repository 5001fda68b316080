"""Break a text into lines by the width of its words: between words, and between wide letters, such as Han.

A word's width is proportional to its font size, so it is measured once for all sizes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

UNIT = 100.0
"""The font size in which words are measured."""
SPARE = 0.995
"""The part of a line to fill: words side by side may be a little wider than the sum of their widths."""
NOT_FIRST = ("Pe", "Pf", "Po", "Lm")
"""Unicode categories that no line begins with: closing marks, stops, marks of repetition and length."""
NOT_LAST = ("Ps", "Pi")
"""Unicode categories that no line ends with: opening marks."""
LONGEST_PART = 64
"""The most letters that are measured together: the time to measure grows faster than their number."""
MOST_IN_LINE = 300
"""The most letters in a line, since many may be narrow or of no width: fpdf2 recurses once for each."""
MOST_WIDTHS = 20_000
"""The number of widths to cache."""


class LineBreaker:
    """Break texts. `measure` returns the width in points of a short text, set in size UNIT."""

    def __init__(self, measure: Callable[[str], float]) -> None:
        self._width = lru_cache(MOST_WIDTHS)(measure)

    def lines(self, text: str, width: float, size: float) -> list[str]:
        """Return the lines of a text, none of them wider than `width`, in reading order."""
        most = width * SPARE * UNIT / size
        return [line for paragraph in text.split("\n") for line in self._paragraph(paragraph, most)]

    def _paragraph(self, text: str, most: float) -> Iterator[str]:
        line, used, gap = "", 0.0, ""
        for piece in pieces(text):
            if piece.isspace():
                gap = " " if line else ""
                continue
            begins = True
            for part in _parts(piece):
                while part:
                    room = most - used - (self._width(gap) if gap else 0.0)
                    wide = self._width(part)
                    if wide <= room and len(line) + len(part) <= MOST_IN_LINE:
                        line, used, gap, part = line + gap + part, most - room + wide, "", ""
                        continue
                    # A word that does not fit begins a new line, and is cut where a line ends if it is wider.
                    fits = 0 if line and begins else self._fitting(part, min(room, most), wide)
                    if line and (begins or not fits or len(line) + fits > MOST_IN_LINE):
                        yield line
                        line, used, gap = "", 0.0, ""
                        continue
                    yield line + part[: max(1, fits)]
                    line, used, gap, part = "", 0.0, "", part[max(1, fits) :]
                begins = False
        yield line

    def _fitting(self, part: str, room: float, wide: float) -> int:
        """Return how many leading letters of a part that is too wide fit; marks stay with their letters."""
        low, high = 0, len(part) - 1
        guess = int(len(part) * room / wide) if wide > 0 else high
        while low < high:
            middle = min(max(guess, low + 1), high)
            fits = self._width(part[:middle]) <= room
            low, high = (middle, high) if fits else (low, middle - 1)
            guess = middle + 1 if fits and middle == guess else (low + high + 1) // 2
        whole = low
        while low > 1 and unicodedata.combining(part[low]):
            low -= 1
        return whole if low == 1 else low


def _parts(piece: str) -> Iterator[str]:
    """Cut a word into parts that are quick to measure; a mark stays with its letter."""
    while len(piece) > LONGEST_PART:
        end = LONGEST_PART
        while end > LONGEST_PART // 2 and unicodedata.combining(piece[end]):
            end -= 1
        yield piece[:end]
        piece = piece[end:]
    yield piece


def pieces(text: str) -> Iterator[str]:
    """Yield the pieces of a text: white space, words, and single letters of scripts without spaces."""
    piece = ""
    for letter in text:
        space = letter.isspace() and letter != "\u00a0" and letter != "\u202f"
        if not piece or (space == piece[-1].isspace() and not _breaks(piece[-1], letter)):
            piece += letter
        else:
            yield piece
            piece = letter
    if piece:
        yield piece


def _breaks(before: str, after: str) -> bool:
    """Return whether a line may end between two letters."""
    if before.isspace() and after.isspace():
        return False
    if not _stands_alone(before) and not _stands_alone(after):
        return before in "-\u2013\u2014" and after.isalpha()
    if unicodedata.combining(after) or unicodedata.category(after) in NOT_FIRST:
        return False
    return unicodedata.category(before) not in NOT_LAST


def _stands_alone(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in ("W", "F")
