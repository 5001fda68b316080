"""Captions name only what is in the picture, in English."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from models.training.evaluation.held_out_prompts import describe_figure, describe_place
from models.training.figures.figure_captions import caption_figure, with_article
from models.training.figures.figure_spec import (
    ANIMAL_FURS,
    COLORS,
    FURS,
    GARMENTS,
    HAIR_COLORS,
    ITEMS,
    ROLES,
    Figure,
    sample_figure,
)
from models.training.figures.figure_words import (
    ANIMAL_FUR_WORDS,
    COLOR_WORDS,
    EXPRESSION_WORDS,
    FUR_WORDS,
    GARMENT_WORDS,
    HAIR_COLOR_WORDS,
    ITEM_WORDS,
    POSE_WORDS,
    ROLE_WORDS,
)
from models.training.places.place_captions import caption_place
from models.training.places.place_spec import KINDS, TIMES, WEATHERS, Place, sample_place
from models.training.subjects import SUBJECTS

ROUNDS = 400
WRONG_ARTICLES = re.compile(
    r"\ba [aeiou]|\ban (?!underwater)[^aeio]|\ban? (armor|mountains|woods|dunes)\b", re.IGNORECASE
)
# Words that name the weather or the time, for any kind of place.
WEATHER_WORDS = {
    "rain": r"rain\w*",
    "fog": r"fog\w*|mist\w*",
    "cloudy": r"cloud\w*|overcast",
    "clear": "clear",
}
TIME_WORDS = {"noon": "noon|midday|daytime", "night": r"\w*night", "dawn": "dawn|sunrise|morning"}


def words_in(text: str, vocabulary: Any) -> set[str]:
    return {word for word in vocabulary if re.search(rf"\b{word}\b", text.lower())}


def named(text: str, vocabulary: dict[str, tuple[str, ...]]) -> set[str]:
    """Return the names whose words are in the text; a longer word hides those that it contains."""
    owners: dict[str, set[str]] = {}
    for name, words in vocabulary.items():
        for word in words:
            owners.setdefault(word, set()).add(name)
    longest = "|".join(sorted(owners, key=len, reverse=True))
    found = re.findall(rf"\b(?:{longest})\b", text.lower())
    return {" or ".join(sorted(owners[word])) for word in found}


def plural_words(names: Any, said: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: said.get(name, (name,)) for name in names}


@pytest.mark.parametrize("describe", [caption_figure, describe_figure])
def test_a_figures_caption_names_nothing_that_is_absent(describe: Callable[..., str]) -> None:
    rng = random.Random(11)
    for _ in range(4 * ROUNDS):
        figure: Figure = sample_figure(rng)
        text = describe(figure, rng).lower()
        roles = named(text, ROLE_WORDS)
        assert len(roles) == 1, text
        assert figure.role in roles.pop().split(" or ")
        assert named(text, GARMENT_WORDS) <= {figure.garment}
        assert named(text, ITEM_WORDS) <= {figure.item}
        bare = text.replace("light gray", "")
        colors = "|".join(
            word for words in plural_words(HAIR_COLORS, HAIR_COLOR_WORDS).values() for word in words
        )
        hair = re.search(rf"\b(?:(long|short|curly) )?({colors})(?:-haired| hair\b)", bare)
        if hair:
            assert figure.hair_color is not None
            assert hair[1] in (None, figure.hair_style)
            assert hair[2] in plural_words(HAIR_COLORS, HAIR_COLOR_WORDS)[figure.hair_color]
            bare = bare.replace(hair[0], "")
        furs = {"red", "ginger", "polar"} | set(plural_words(FURS, FUR_WORDS)) | {"gold", "gray"}
        creatures = "|".join(word for role in ANIMAL_FURS for word in ROLE_WORDS[role])
        fur = re.search(
            rf"\b({'|'.join(sorted(furs))})(?:-furred (?:{creatures})| fur\b| scales\b| (?:{creatures}))\b",
            bare,
        )
        if fur:
            assert figure.fur is not None
            usual = FUR_WORDS.get(figure.fur, (figure.fur,))
            assert fur[1] in ANIMAL_FUR_WORDS.get((figure.role, figure.fur), usual)
            bare = bare.replace(fur[0], "")
        shown = {figure.garment_color, figure.cape_color}
        assert named(bare, plural_words(COLORS, COLOR_WORDS)) <= shown
        assert bool(re.search(r"\b(cape|cloak)\b", text)) <= (figure.cape_color is not None)
        assert named(text, POSE_WORDS) <= {figure.pose}
        assert named(text, EXPRESSION_WORDS) <= {figure.expression}


def test_every_role_fur_and_item_is_said_by_its_usual_word() -> None:
    rng = random.Random(17)
    texts = [caption_figure(sample_figure(rng), rng).lower() for _ in range(4_000)]
    for vocabulary in (ROLE_WORDS, GARMENT_WORDS, ITEM_WORDS):
        for words in vocabulary.values():
            for word in words:
                assert any(word in text for text in texts), word
    assert any("brown dog" in text for text in texts)
    assert any("green dragon" in text for text in texts)


def test_every_role_has_words_and_either_hair_or_fur_or_neither() -> None:
    assert tuple(ROLE_WORDS) == ROLES
    assert tuple(GARMENT_WORDS) == GARMENTS
    assert tuple(ITEM_WORDS) == ITEMS
    rng = random.Random(18)
    for _ in range(ROUNDS):
        figure = sample_figure(rng)
        assert figure.is_animal == (figure.role in ANIMAL_FURS)
        assert figure.has_hair == (figure.skin is not None) == (figure.hair_style is not None)
        assert not (figure.has_hair and figure.is_animal)


@pytest.mark.parametrize("describe", [caption_place, describe_place])
def test_a_places_caption_names_nothing_that_is_absent(describe: Callable[..., str]) -> None:
    rng = random.Random(12)
    for _ in range(ROUNDS):
        place: Place = sample_place(rng)
        text = describe(place, rng).lower()
        text = text.replace("atmospheric perspective", "").replace("masterpiece", "")
        for vocabulary, actual in ((WEATHER_WORDS, place.weather), (TIME_WORDS, place.time)):
            named = {name for name, pattern in vocabulary.items() if re.search(rf"\b({pattern})\b", text)}
            assert named - {"clear" if "clearing" in text else ""} <= {actual}
        assert words_in(text, set(KINDS) - {"mountains"}) <= {place.kind}


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_articles_fit_their_nouns(name: str) -> None:
    rng = random.Random(13)
    subject = SUBJECTS[name]
    for _ in range(ROUNDS):
        text = subject.caption(subject.sample(rng), rng)
        assert not WRONG_ARTICLES.search(text), text


def test_an_article_before_a_vowel_is_an() -> None:
    assert with_article("elf") == "an elf"
    assert with_article("queen") == "a queen"


def test_no_training_figure_or_place_is_held_out() -> None:
    rng = random.Random(14)
    for subject in SUBJECTS.values():
        assert not any(subject.held_out(subject.sample_for_training(rng)) for _ in range(200))


def test_every_time_and_weather_can_be_said() -> None:
    rng = random.Random(15)
    for time in TIMES:
        for weather in WEATHERS:
            assert describe_place(Place("castle", time, weather), rng)
