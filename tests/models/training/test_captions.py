"""Captions name only what is in the picture, in English."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from models.training.figure_captions import caption_figure, with_article
from models.training.figure_spec import COLORS, GARMENTS, HAIR_COLORS, ITEMS, ROLES, Figure, sample_figure
from models.training.place_captions import caption_place
from models.training.place_spec import KINDS, TIMES, WEATHERS, Place, sample_place
from models.training.prompts import describe_figure, describe_place
from models.training.subjects import SUBJECTS

ROUNDS = 400
WRONG_ARTICLES = re.compile(r"\ba [aeio]|\ban [^aeio]|\ban? (armor|mountains|woods|dunes)\b", re.IGNORECASE)
# What only ever says which weather or time it is, whatever the kind.
WEATHER_WORDS = {
    "rain": r"rain\w*",
    "fog": r"fog\w*|mist\w*",
    "cloudy": r"cloud\w*|overcast",
    "clear": "clear",
}
TIME_WORDS = {"noon": "noon|midday|daytime", "night": r"\w*night", "dawn": "dawn|sunrise|morning"}


def words_in(text: str, vocabulary: Any) -> set[str]:
    return {word for word in vocabulary if re.search(rf"\b{word}\b", text.lower())}


@pytest.mark.parametrize("describe", [caption_figure, describe_figure])
def test_a_figures_caption_names_nothing_that_is_absent(describe: Callable[..., str]) -> None:
    rng = random.Random(11)
    for _ in range(ROUNDS):
        figure: Figure = sample_figure(rng)
        text = describe(figure, rng)
        assert words_in(text, ROLES) <= {figure.role}
        assert words_in(text, GARMENTS) <= {figure.garment}
        assert words_in(text, ITEMS) <= {figure.item}
        colors = {figure.garment_color, figure.cape_color}
        bare = text.replace("light gray", "")
        hair = re.search(rf"\b({'|'.join(HAIR_COLORS)})(?:-haired| hair\b)", bare)
        if hair:
            assert figure.has_hair
            assert hair[1] == figure.hair_color
            bare = bare.replace(hair[0], "")
        assert words_in(bare, COLORS) <= colors
        assert ("cape" in text.split("portrait")[-1]) <= (figure.cape_color is not None)


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
