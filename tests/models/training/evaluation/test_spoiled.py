"""Spoiled pictures: the same size and colours, without the place."""

from __future__ import annotations

import pytest
import torch

from models.training.evaluation import classifier, spoiled
from models.training.evaluation.spoiled import Way
from models.training.judges import FRESH_LAYOUTS, SPOILED_EVERY, draw_places, spoil_some


@pytest.fixture(scope="module")
def places() -> torch.Tensor:
    pictures, _ = draw_places(24, seed=5, layouts=FRESH_LAYOUTS)
    return classifier.to_input(pictures)


@pytest.mark.parametrize("way", [*spoiled.TRAINED_ON, *spoiled.NEVER_SHOWN])
def test_a_spoiled_picture_is_another_of_the_same_size_and_brightness(way: Way, places: torch.Tensor) -> None:
    torch.manual_seed(1)
    broken = way(places)
    assert broken.shape == places.shape
    assert broken.isfinite().all()
    assert (broken - places).abs().mean() > 0.05
    assert (broken.mean() - places.mean()).abs() < 0.1


def test_shuffled_patches_hold_every_pixel_once(places: torch.Tensor) -> None:
    assert torch.equal(spoiled.shuffle_patches(places).flatten(1).sort(1)[0], places.flatten(1).sort(1)[0])


def test_one_picture_in_two_of_a_batch_is_spoiled_and_labelled_so(places: torch.Tensor) -> None:
    labels = torch.zeros(len(places), 2, dtype=torch.long)
    batch, wanted = spoil_some(places, labels)
    count = len(places) // SPOILED_EVERY
    assert torch.equal(batch[count:], places[count:])
    none = classifier.ANSWERS.index(classifier.NO_PLACE)
    assert (wanted[:, 0] == none).sum() == (wanted[:count, 0] == none).sum() == count
    assert (labels == 0).all()


@pytest.mark.parametrize("way", spoiled.TRAINED_ON)
def test_the_shipped_classifier_takes_spoiled_places_for_none(way: Way, places: torch.Tensor) -> None:
    torch.manual_seed(2)
    network = classifier.load()
    none = classifier.ANSWERS.index(classifier.NO_PLACE)
    reported = torch.cat([network.predict(way(places))[:, 0] for _ in range(3)])
    assert (reported == none).float().mean() >= 0.85
    assert (network.predict(places)[:, 0] == none).float().mean() <= 0.05
