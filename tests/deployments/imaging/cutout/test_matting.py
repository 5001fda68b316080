"""The keyer, on figures whose alpha is known and on pictures where there is nothing to cut out."""

from __future__ import annotations

import numpy as np
import pytest

from bench.known_alpha.sets import SetName, samples
from bench.known_alpha.storybook import storybook
from deployments.imaging.cutout.matting import Cutout, cut_out
from deployments.messages import Pixels


def overlap(cutout: Cutout, true_alpha: np.ndarray) -> float:
    found, true = cutout.alpha >= 128, true_alpha >= 0.5
    return float((found & true).sum() / (found | true).sum())


def outlined_coat(coat: int) -> tuple[Pixels, np.ndarray]:
    """A coat of one gray, outlined, on light gray paper, with a bent arm to see through; and its alpha."""
    y, x = np.mgrid[:256, :192].astype(np.float32)
    picture = np.full((256, 192, 3), (231, 229, 225), np.float32) + np.random.default_rng(5).normal(
        0, 1, (256, 192, 1)
    )
    body = (abs(x - 96) < 45) & (abs(y - 130) < 90)
    picture[body] = (60, 50, 48)
    picture[(abs(x - 96) < 41) & (abs(y - 130) < 86)] = coat
    hole = (abs(x - 70) < 8) & (abs(y - 130) < 12)
    picture[(abs(x - 70) < 12) & (abs(y - 130) < 16)] = (60, 50, 48)
    picture[hole] = (231, 229, 225)
    return np.clip(picture, 0, 255).astype(np.uint8), body & ~hole


@pytest.mark.parametrize(
    ("name", "least_iou", "most_error"),
    [("plain", 0.98, 0.005), ("studio", 0.97, 0.01), ("hard", 0.93, 0.02)],
)
def test_figures_are_cut_out_as_they_were_drawn(name: SetName, least_iou: float, most_error: float) -> None:
    pictures = list(samples(name, 6, held_out=True))
    cutouts = [cut_out(picture.pixels) for picture in pictures]
    assert np.mean([overlap(c, p.alpha) for c, p in zip(cutouts, pictures, strict=True)]) >= least_iou
    errors = [abs(c.alpha / 255 - p.alpha).mean() for c, p in zip(cutouts, pictures, strict=True)]
    assert np.mean(errors) <= most_error
    assert min(cutout.confidence for cutout in cutouts) >= 0.5


def test_a_busy_backdrop_is_refused() -> None:
    assert [cut_out(picture.pixels).confidence < 0.5 for picture in samples("busy", 6, held_out=True)] == [
        True
    ] * 6


@pytest.mark.parametrize("shape", [(512, 384), (64, 64), (100, 300)])
@pytest.mark.parametrize("content", ["flat", "black", "noise"])
def test_nothing_to_cut_out_has_no_confidence(content: str, shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    if content == "flat":
        picture += 200
    if content == "noise":
        picture = np.random.default_rng(3).integers(0, 256, picture.shape, dtype=np.uint8)
    assert cut_out(picture).confidence == 0


@pytest.mark.parametrize("coat", [251, 240, 190])
def test_pale_cloth_inside_its_outline_stays_and_the_hole_under_an_arm_opens(coat: int) -> None:
    picture, true = outlined_coat(coat)
    cutout = cut_out(picture)
    assert overlap(cutout, true) > 0.98
    assert cutout.alpha[130, 70] == 0, "the hole"
    assert cutout.alpha[60:200, 100:130].min() == 255, "the cloth"


@pytest.mark.parametrize("softened", [False, True])
@pytest.mark.parametrize("garment", ["white", "silver"])
def test_storybook_figures_in_pale_garments_are_accepted_whole(garment: str, softened: bool) -> None:
    pictures = [storybook(number, True, softened, garment) for number in range(12)]
    cutouts = [cut_out(picture.pixels) for picture in pictures]
    overlaps = [overlap(c, p.alpha) for c, p in zip(cutouts, pictures, strict=True)]
    assert np.mean(overlaps) >= 0.985
    assert min(overlaps) >= 0.95
    assert [cutout.confidence >= 0.5 for cutout in cutouts] == [True] * 12


def test_a_soft_shadow_on_the_floor_stays_behind() -> None:
    picture, true = outlined_coat(120)
    y, x = np.mgrid[:256, :192]
    shade = 1 - 0.2 * np.exp(-(((x - 96) / 40) ** 2) - ((y - 222) / 9) ** 2)
    shaded = np.where(true[..., None], picture, picture * shade[..., None]).astype(np.uint8)
    assert cut_out(shaded).alpha[228:].max() < 40
    assert overlap(cut_out(shaded), true) > 0.97


def test_edges_lose_the_backdrops_colour() -> None:
    """A red disc on green paper: no pixel that is seen keeps the green."""
    y, x = np.mgrid[:256, :192]
    cover = np.clip(60.5 - np.hypot(x - 96, y - 128), 0, 1)[..., None]
    picture = np.rint(cover * (200, 30, 30) + (1 - cover) * (90, 220, 90)).astype(np.uint8)
    cutout = cut_out(picture)
    seen = cutout.alpha > 60
    assert np.abs(cutout.foreground[seen].astype(int) - (200, 30, 30)).max() <= 25
    assert abs(cutout.alpha / 255 - cover[..., 0]).max() < 0.15


def test_rgba_passes_through() -> None:
    picture = np.random.default_rng(9).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    cutout = cut_out(picture)
    np.testing.assert_array_equal(cutout.foreground, picture[..., :3])
    np.testing.assert_array_equal(cutout.alpha, picture[..., 3])
    assert cutout.confidence == 1


def test_the_same_picture_gives_the_same_bytes_and_is_left_alone() -> None:
    picture = next(samples("studio", 1, held_out=True)).pixels
    before = picture.copy()
    first, second = cut_out(picture), cut_out(picture)
    assert first.alpha.tobytes() == second.alpha.tobytes()
    assert first.foreground.tobytes() == second.foreground.tobytes()
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("size", [(80, 60), (400, 301)])
@pytest.mark.parametrize("thick", [1, 2, 3])
@pytest.mark.parametrize("at", range(11, 15))
def test_a_thin_line_is_no_figure(size: tuple[int, int], thick: int, at: int) -> None:
    for backdrop, line in ((40, 0), (200, 0), (0, 255)):
        picture = np.full((*size, 3), backdrop, np.uint8)
        picture[at : at + thick, 3:33] = line
        for turned in (picture, picture.transpose(1, 0, 2)):
            assert 0 <= cut_out(np.ascontiguousarray(turned)).confidence < 0.5
