"""The captions' words: one or more for every part of a figure, the usual one first."""

from __future__ import annotations

import random
from typing import Any

import pytest

from models.training.figures import figure_words
from models.training.figures.figure_captions import caption_figure
from models.training.figures.figure_spec import (
    ANIMAL_FURS,
    EXPRESSIONS,
    GARMENTS,
    ITEMS,
    POSES,
    ROLES,
    sample_figure,
)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (figure_words.ROLE_WORDS, ROLES),
        (figure_words.GARMENT_WORDS, GARMENTS),
        (figure_words.ITEM_WORDS, ITEMS),
        (figure_words.POSE_WORDS, POSES),
        (figure_words.EXPRESSION_WORDS, EXPRESSIONS),
    ],
)
def test_everything_has_a_word(words: dict[str, tuple[str, ...]], names: Any) -> None:
    assert set(words) == set(names)
    assert all(words.values())


def test_a_name_is_its_own_usual_word() -> None:
    for words in (figure_words.ROLE_WORDS, figure_words.GARMENT_WORDS, figure_words.ITEM_WORDS):
        assert all(said[0] == name for name, said in words.items())


def test_no_word_of_an_animals_fur_is_for_a_fur_that_it_never_has() -> None:
    assert all(fur in ANIMAL_FURS[animal] for animal, fur in figure_words.ANIMAL_FUR_WORDS)


@pytest.mark.parametrize(
    "word",
    ["warrior", "sorcerer", "puppy", "kitten", "bunny", "grandma", "gown", "cloak", "spellbook", "child"],
)
def test_what_people_also_say_is_said_in_captions(word: str) -> None:
    rng = random.Random(word)
    assert any(word in caption_figure(sample_figure(rng), rng).lower() for _ in range(5_000))
