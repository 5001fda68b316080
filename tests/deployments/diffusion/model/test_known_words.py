"""Read the words that a model knows, and find those in a prompt that it does not know."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import pytest

from deployments.background import background_prompt
from deployments.character import character_prompt
from deployments.diffusion.model.known_words import (
    FILE,
    LISTED,
    LONGEST,
    MOST_BYTES,
    KnownWords,
    read_known_words,
    unknown_words,
    unknown_words_warning,
)
from deployments.diffusion.model.registry import bundled_model

KNOWN = KnownWords(frozenset({"knight", "elf", "city", "dunes", "red", "armor", "woman", "château"}))


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a red knight in armor", []),
        ("a dragon with a red hat", ["dragon", "hat"]),
        ("Knights, ELVES; cities -- women: a dune!", []),
        ("the knight's armor and the dragon's", ["dragon"]),
        ("red-armor knight (red:1.3)", []),
        ("dragon dragon DRAGON", ["dragon"]),
        ("it was where they were", []),
        ("chateau, cha\u0302teau", ["chateau"]),
        ("a 🐉 and a ❤️", ["🐉", "❤"]),
        ("龙 और рыцарь", ["龙", "और", "рыцарь"]),
        ("12 & 7 % © ™ _ ", []),
        ("", []),
    ],
)
def test_words_that_are_not_known_are_found_once_and_in_order(prompt: str, unknown: list[str]) -> None:
    assert unknown_words(prompt, KNOWN) == unknown


def test_the_warning_names_the_model_and_the_words() -> None:
    assert unknown_words_warning("m", "a dragon and a fox", KNOWN) == ("m does not know: dragon, fox",)
    assert unknown_words_warning("m", "a red knight", KNOWN) == ()
    assert unknown_words_warning("m", "a dragon", None) == ()


def test_the_warning_is_short_however_long_the_prompt() -> None:
    words = [letter * 500 for letter in string.ascii_lowercase]
    (warning,) = unknown_words_warning("m", " ".join(words), KNOWN)
    assert warning.endswith(f" and {26 - LISTED} more")
    assert len(warning) < LISTED * (LONGEST + 2) + 60


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("storybook-character", character_prompt("a knight in silver armor with a red cape", True)),
        ("storybook-background", background_prompt("a castle at sunset")),
    ],
)
def test_the_services_own_words_bring_no_warning_with_the_bundled_models(name: str, prompt: str) -> None:
    known = read_known_words(bundled_model(name))
    assert known is not None
    assert unknown_words(prompt, known) == []
    offered = [word for _, group in known.offers for word in group]
    assert len(offered) >= 15
    assert unknown_words(" ".join(offered), known) == []
    nonsense = "".join(random.Random(1).choices(string.ascii_lowercase, k=9))
    assert unknown_words(nonsense, known) == [nonsense]


def test_a_model_without_the_file_says_nothing(tmp_path: Path) -> None:
    assert read_known_words(tmp_path) is None
    assert read_known_words(None) is None
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert read_known_words(tmp_path / "model.safetensors") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"{}",
        b'{"words": "red"}',
        b'{"words": [1]}',
        b'{"words": [], "offers": []}',
        b'{"words": [], "offers": {"places": "x"}}',
        b'{"words": null}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"words": ["' + b"x" * MOST_BYTES + b'"]}',
    ],
)
def test_a_broken_file_says_nothing_and_stops_nobody(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert read_known_words(tmp_path) is None


def test_a_file_is_read_again_once_it_has_changed(tmp_path: Path) -> None:
    for words in (["red"], ["red", "blue"]):
        (tmp_path / FILE).write_text("\ufeff" + json.dumps({"words": words, "offers": {"colours": words}}))
        known = read_known_words(tmp_path)
        assert known == KnownWords(frozenset(words), (("colours", tuple(words)),))
