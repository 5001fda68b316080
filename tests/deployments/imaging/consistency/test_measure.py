"""Consistency of drawn figures of known identity: high in other poses, low for another figure."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from deployments.errors import InvalidRequest
from deployments.imaging.consistency import comparing
from deployments.imaging.consistency.measure import ConsistencyMeasure, Descriptor
from deployments.imaging.cutout.matting import Cutout, cut_out
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import CompareJob, OutputOptions, Pixels
from models.training.figures.draw_figure import draw_figure
from models.training.figures.figure_spec import EXPRESSIONS, ITEMS, POSES, Figure, sample_figure

MEASURE = ConsistencyMeasure()
RIGHT, WRONG = 0.85, 0.75
HEROES = 14


def drawn(figure: Figure) -> Pixels:
    return np.asarray(draw_figure(figure).convert("RGB"))


def posed(figure: Figure, rng: random.Random) -> Pixels:
    """Draw the same hero with another pose, face and item, farther off, leaning, mirrored, darker, noisy."""
    other = replace(
        figure, pose=rng.choice(POSES), expression=rng.choice(EXPRESSIONS), item=rng.choice([None, *ITEMS])
    )
    picture = drawn(other)
    high, wide = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((wide / 2, high / 2), rng.uniform(-6, 6), rng.uniform(0.7, 1.0))
    turn[0, 1] += (lean := rng.uniform(-0.12, 0.12))
    turn[0, 2] -= lean * high / 2
    moved = cv2.warpAffine(picture, turn, (wide, high), borderValue=picture[2, 2].tolist())
    if rng.random() < 0.5:
        moved = moved[:, ::-1]
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(0, 3, moved.shape)
    return np.clip(moved * rng.uniform(0.93, 1.07) + noise, 0, 255).astype(np.uint8)


@cache
def heroes() -> list[tuple[Figure, Pixels, list[Pixels]]]:
    """Return heroes, each with a reference and two other pictures."""
    rng = random.Random(11)
    return [
        (figure, drawn(figure), [posed(figure, rng) for _ in range(2)])
        for figure in (sample_figure(rng) for _ in range(HEROES))
    ]


@cache
def described() -> list[list[Descriptor]]:
    return [
        [MEASURE.describe(cut_out(picture)) for picture in (reference, *others)]
        for _, reference, others in heroes()
    ]


def test_the_right_hero_in_other_poses_is_consistent() -> None:
    for hero, (figure, *_) in zip(described(), heroes(), strict=True):
        measured = [MEASURE.compare(other, hero[0]) for other in hero[1:]]
        assert min(measured) >= RIGHT, figure


def test_a_wrong_hero_is_caught() -> None:
    """Compare all pairs of heroes: one who happens to be dressed, coloured and built alike may pass."""
    measured = [
        MEASURE.compare(described()[j][1], described()[i][0])
        for i in range(HEROES)
        for j in range(HEROES)
        if i != j
    ]
    assert np.mean(np.array(measured) < WRONG) > 0.97
    assert np.median(measured) < 0.4


@pytest.mark.parametrize("changed", ["garment_color", "hair_color", "role"])
def test_a_planted_hero_who_differs_in_one_thing_is_less_consistent(changed: str) -> None:
    """A garment of another colour makes another hero; other changes only lower the consistency."""
    rng = random.Random(3)
    hero = replace(sample_figure(rng), role="princess", garment="dress", garment_color="red")
    hero = replace(hero, hair_color="blond", hair_style="long", fur=None, skin=(255, 220, 194), item=None)
    planted = {"garment_color": "blue", "hair_color": "black", "role": "robot"}[changed]
    other = replace(hero, **{changed: planted})
    reference = MEASURE.describe(cut_out(drawn(hero)))
    right = MEASURE.compare(MEASURE.describe(cut_out(posed(hero, rng))), reference)
    wrong = MEASURE.compare(MEASURE.describe(cut_out(posed(other, rng))), reference)
    assert right >= RIGHT
    assert wrong < (WRONG if changed == "garment_color" else right)


def test_a_figure_is_wholly_consistent_with_itself_and_always_between_0_and_1() -> None:
    first = described()[0][0]
    assert MEASURE.compare(first, first) == 1.0
    for other in (hero[0] for hero in described()):
        assert 0 <= MEASURE.compare(other, first) <= 1
        assert MEASURE.compare(other, first) == pytest.approx(MEASURE.compare(first, other))


def test_another_shape_in_the_same_colours_is_less_consistent() -> None:
    wide, tall = np.zeros((200, 200, 4), np.uint8), np.zeros((200, 200, 4), np.uint8)
    wide[90:120, 10:190] = (200, 40, 40, 255)
    tall[10:190, 90:120] = (200, 40, 40, 255)
    one, other = (MEASURE.describe(cut_out(each)) for each in (wide, tall))
    assert MEASURE.compare(one, other) < 0.6 < MEASURE.compare(one, one)


@pytest.mark.parametrize("size", [(1, 1), (16, 300), (300, 16), (64, 64)])
def test_any_picture_can_be_described(size: tuple[int, int]) -> None:
    """Describe noise, full transparency and one flat colour, down to a single pixel."""
    noise = np.random.default_rng(1).integers(0, 255, (*size, 3)).astype(np.uint8)
    clear = np.zeros((*size, 4), np.uint8)
    for pixels in (noise, clear, np.full((*size, 3), 128, np.uint8)):
        alpha = np.zeros(size, np.uint8) if pixels.shape[2] == 3 else pixels[..., 3]
        described = MEASURE.describe(Cutout(pixels[..., :3], alpha, 0.0))
        assert 0 <= MEASURE.compare(described, described) <= 1


def test_a_reference_is_known_again_and_may_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "KEPT", 2)
    _, reference, others = heroes()[0]
    large = cv2.resize(reference, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    file = encode(np.asarray(large, np.uint8), OutputOptions("png")).data
    comparer = comparing.FigureComparer()

    def compared(name: str, data: bytes = file) -> float:
        return comparer.compare(CompareJob(name=name, reference=data, max_pixels=1 << 30), others[0])

    measured = compared("a")
    assert measured >= RIGHT
    assert compared("a", b"is not read again") == measured
    compared("b")
    compared("c")
    with pytest.raises(InvalidRequest):
        compared("a", b"is read again, and no picture")
