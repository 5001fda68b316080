from __future__ import annotations

import pytest

from serve.safety.words import has_blocked_word, idle_word

WORDS = ("blood", "Straße", "naïve", "gun fight", "кровь", "ﬁre", "血")


@pytest.mark.parametrize(
    "text",
    [
        "blood",
        "a knight in BLOOD.",
        "(blood)",
        "blood_red",
        "blood-red",
        "ｂｌｏｏｄ",
        "blo\u00adod",
        "b\u200blood",
        "blóod",
        "b\u0301lood",
        "𝐛𝐥𝐨𝐨𝐝",
        "a STRASSE",
        "strasse",
        "NAIVE",
        "nai\u0308ve",
        "a gun\nfight",
        "gun, fight",
        "КРОВЬ!",
        "fire",
        "血 here",
    ],
)
def test_a_word_is_found_however_it_is_written(text: str) -> None:
    assert has_blocked_word(WORDS, text)


@pytest.mark.parametrize(
    "text",
    ["", "bloodhound", "lifeblood", "a gun in a fight", "gunfight", "a kind knight", "fires", "bl ood"],
)
def test_parts_of_other_words_are_none(text: str) -> None:
    assert not has_blocked_word(WORDS, text)


def test_without_words_nothing_is_found() -> None:
    assert not has_blocked_word((), "blood")
    assert not has_blocked_word(("...",), "... blood")
    assert idle_word(("blood", "!?")) == "!?" and idle_word(("blood",)) is None


def test_many_words_and_a_long_prompt_take_no_time_to_speak_of() -> None:
    words = tuple(f"word{number}" for number in range(10_000))
    assert has_blocked_word(words, "nothing " * 250 + "word9999")
    assert not has_blocked_word(words, "word " * 400)


def test_signs_of_a_pattern_are_no_pattern() -> None:
    assert not has_blocked_word((".*", "a|b", "c++"), "anything b")
    assert has_blocked_word(("c++",), "in C++!")
