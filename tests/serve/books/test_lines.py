"""Lines break only at allowed places, and none is wider than its box."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.books.lines import LONGEST_PART, MOST_IN_LINE, UNIT, LineBreaker, pieces


def breaker() -> LineBreaker:
    """Return a breaker for a font whose letters are as wide as they are high."""
    return LineBreaker(lambda text: UNIT * len(text))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("one  two", ["one two"]),
        ("", [""]),
        ("one\n\ntwo", ["one", "", "two"]),
        ("supercalifragilistic", ["supercali", "fragilist", "ic"]),
        ("a supercalifragilistic b", ["a", "supercali", "fragilist", "ic b"]),
        ("由这里往前走到了山那边", ["由这里往前走到了山", "那边"]),
        ("由这里往前走到了山。那", ["由这里往前走到了", "山。那"]),
        ("一二三四五六七八（九", ["一二三四五六七八", "（九"]),
        ("well-known ones", ["well-", "known", "ones"]),
        ("a\u00a0b\u00a0c\u00a0d\u00a0e f", ["a\u00a0b\u00a0c\u00a0d\u00a0e", "f"]),
    ],
)
def test_where_lines_break(text: str, lines: list[str]) -> None:
    assert breaker().lines(text, 96, 10) == lines


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "!" * 10_000, "ก" * 10_000, "e" + "\u0301" * 9_999, "ab" * 50 + "!" * 9_000]
)
def test_a_word_of_any_length_is_measured_in_small_parts(text: str) -> None:
    measured: list[int] = []

    def width(part: str) -> float:
        measured.append(len(part))
        return UNIT * sum(not unicodedata.combining(letter) for letter in part)

    lines = LineBreaker(width).lines(text, 500, 10)
    assert "".join(lines) == text
    assert max(measured) <= LONGEST_PART and sum(measured) < 30 * len(text)
    assert max(map(len, lines)) <= MOST_IN_LINE
    assert all(len(line) >= 49 for line in lines[1:-1]), "lines are filled across the parts"


@given(st.text(alphabet="ab -。（一二\u0301\n", max_size=60), st.integers(2, 12))
def test_nothing_is_lost_and_nothing_too_wide(text: str, letters: int) -> None:
    lines = breaker().lines(text, letters * 10 / 0.995, 10)
    assert "".join("".join(lines).split()) == "".join(text.split())
    # A letter stays with its combining marks.
    assert all(len(line) <= letters or not any(map(str.isspace, line)) for line in lines)
    assert "".join(pieces(text)) == text
