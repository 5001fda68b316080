"""Break a text into lines, by the width of its words: between words, and between wide letters, such as Han.

A word's width grows with the size it is set in, so it is measured once for all sizes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

UNIT = 100.0
"""The size in which words are measured."""
SPARE = 0.995
"""Words side by side may be a little wider than the sum of their widths."""
NOT_FIRST = ("Pe", "Pf", "Po", "Lm")
"""Categories of letters that no line begins with: closing marks, stops, marks of repetition and length."""
NOT_LAST = ("Ps", "Pi")
"""Opening marks."""


class LineBreaker:
    """`measure`: the width of a text in points, set in size UNIT."""

    def __init__(self, measure: Callable[[str], float]) -> None:
        self._measure = measure
        self._widths: dict[str, float] = {}

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
            for part in self._parts(piece, most):
                needed = self._width(gap) + self._width(part)
                if line and used + needed > most:
                    yield line
                    line, used, gap = "", 0.0, ""
                    needed = self._width(part)
                line, used, gap = line + gap + part, used + needed, ""
        yield line

    def _parts(self, piece: str, most: float) -> Iterator[str]:
        """Cut a word that is wider than a line."""
        while self._width(piece) > most and len(piece) > 1:
            low, high = 1, len(piece) - 1  # The longest start that fits, one letter at least.
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if self._width(piece[:middle]) <= most else (low, middle - 1)
            while low > 1 and unicodedata.combining(piece[low]):
                low -= 1
            yield piece[:low]
            piece = piece[low:]
        yield piece

    def _width(self, text: str) -> float:
        if text not in self._widths:
            self._widths[text] = self._measure(text) if text else 0.0
        return self._widths[text]


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
