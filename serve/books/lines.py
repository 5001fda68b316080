"""Break a text into lines, by the width of its words: between words, and between wide letters, such as Han.

A word's width grows with the size it is set in, so it is measured once for all sizes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

UNIT = 100.0
"""The size in which words are measured."""
SPARE = 0.995
"""Words side by side may be a little wider than the sum of their widths."""
NOT_FIRST = ("Pe", "Pf", "Po", "Lm")
"""Categories of letters that no line begins with: closing marks, stops, marks of repetition and length."""
NOT_LAST = ("Ps", "Pi")
"""Opening marks."""
LONGEST_PART = 64
"""Letters that are measured together: to measure takes longer than in proportion."""
MOST_IN_LINE = 300
"""Letters of a line. Many may be narrow, or without any width; fpdf2 goes into itself once for each sign."""
MOST_WIDTHS = 20_000
"""Widths that are remembered."""


class LineBreaker:
    """`measure`: the width of a text in points, set in size UNIT. It never gets a long one."""

    def __init__(self, measure: Callable[[str], float]) -> None:
        self._width = lru_cache(MOST_WIDTHS)(measure)

    def lines(self, text: str, width: float, size: float) -> list[str]:
        """Return lines that are not wider, in the order in which they are read."""
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
                    # A word that is wider than a line is cut where the line ends, the next one begins anew.
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
        """Return how many of the first letters of a part, which does not fit, do; marks stay with theirs."""
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
    """Cut a word into parts that are quickly measured; a mark stays with its letter."""
    while len(piece) > LONGEST_PART:
        end = LONGEST_PART
        while end > LONGEST_PART // 2 and unicodedata.combining(piece[end]):
            end -= 1
        yield piece[:end]
        piece = piece[end:]
    yield piece


def pieces(text: str) -> Iterator[str]:
    """Yield what lines are made of: white space, words, and single letters of scripts without spaces."""
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
