"""Animals: each has its own head, tail and fur, and none has human hair."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from models.training.figures.animals import draw_animal_back, draw_animal_head
from models.training.figures.draw_figure import draw_figure
from models.training.figures.figure_spec import ANIMAL_FURS, FURS, ROLE_HAIR, ROLES, Figure, sample_figure


def an(animal: str, seed: int = 0) -> Figure:
    """Return a figure of this animal."""
    rng = random.Random(seed)
    while (figure := sample_figure(rng)).role != animal:
        pass
    return figure


@pytest.mark.parametrize("animal", ANIMAL_FURS)
def test_an_animal_has_fur_and_no_hair_or_skin(animal: str) -> None:
    figure = an(animal)
    assert figure.is_animal
    assert figure.fur in ANIMAL_FURS[animal]
    assert (figure.hair_color, figure.hair_style, figure.skin) == (None, None, None)


def test_people_have_hair_and_a_robot_has_neither() -> None:
    assert set(ROLES) == set(ROLE_HAIR) | set(ANIMAL_FURS) | {"robot"}
    rng = random.Random(4)
    for figure in (sample_figure(rng) for _ in range(300)):
        assert figure.has_hair == (figure.role in ROLE_HAIR)
        assert figure.is_animal == (figure.role in ANIMAL_FURS)


def test_no_two_animals_have_one_head_or_one_back() -> None:
    figures = [dataclasses.replace(an("dog"), role=animal, fur="brown") for animal in ANIMAL_FURS]
    assert len({draw_animal_head(figure) for figure in figures}) == len(figures)
    backs = {figure.role: draw_animal_back(figure) for figure in figures}
    assert backs.pop("bear") == "", "a bear's tail is not seen from the front"
    assert len(set(backs.values())) == len(backs)
    assert "" not in backs.values()


@pytest.mark.parametrize(
    ("animal", "fur"), [(animal, fur) for animal, furs in ANIMAL_FURS.items() for fur in furs]
)
def test_the_fur_can_be_seen_on_the_forehead(animal: str, fur: str) -> None:
    figure = dataclasses.replace(an(animal), fur=fur)
    forehead = np.asarray(draw_figure(figure)).astype(int)[112:130, 205:225].reshape(-1, 3)
    nearest = min(FURS, key=lambda name: np.abs(np.median(forehead, axis=0) - FURS[name]).sum())
    assert nearest == fur
