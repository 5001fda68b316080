"""The keyer, on figures of known alpha and on pictures with nothing to cut out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deployments.imaging.cutout.matting import Cutout, cut_out
from deployments.messages import Pixels
from tests.support.known_alpha.agreement import rank_correlation
from tests.support.known_alpha.sets import SetName, samples
from tests.support.known_alpha.storybook import storybook


def overlap(cutout: Cutout, true_alpha: np.ndarray) -> float:
    found, true = cutout.alpha >= 128, true_alpha >= 0.5
    return float((found & true).sum() / (found | true).sum())


def outlined_coat(coat: int) -> tuple[Pixels, np.ndarray]:
    """Return an outlined gray coat on light gray paper, with a gap under a bent arm, and its alpha."""
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
    [
        ("plain", 0.98, 0.005),
        ("clean", 0.98, 0.01),
        ("studio", 0.975, 0.01),
        ("floor", 0.975, 0.01),
        ("hard", 0.93, 0.02),
        ("alike", 0.96, 0.01),
    ],
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
    assert cutout.alpha[130, 70] == 0, "the hole is open"
    assert cutout.alpha[60:200, 100:130].min() == 255, "the cloth stays"


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


def staged(coat: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return a full figure with two legs on warm gray paper, float (512, 384, 3), and its mask."""
    y, x = np.mgrid[:512, :384]
    grain = np.random.default_rng(7).normal(0, 1.5, (512, 384, 1))
    body = (abs(x - 192) < 50) & (y > 90) & (y < 300)
    legs = (abs(abs(x - 192) - 30) < 16) & (y >= 300) & (y < 450)
    picture = np.full((512, 384, 3), (206, 200, 190), np.float32)
    picture[body] = coat
    picture[legs] = (60, 70, 120)
    return picture + grain, body | legs


@pytest.mark.parametrize("softness", [2.0, 5.0, 12.0])
@pytest.mark.parametrize("dark", [0.15, 0.45])
@pytest.mark.parametrize("aside", [-40, 0, 90])
def test_a_shadow_on_the_floor_stays_behind_however_dark_and_soft(
    softness: float, dark: float, aside: int
) -> None:
    picture, true = staged()
    y, x = np.mgrid[:512, :384]
    disk = (((x - 192 - aside) / 95) ** 2 + ((y - 450) / 14) ** 2 < 1).astype(np.float32)
    shade = 1 - dark * cv2.GaussianBlur(disk, (0, 0), softness)
    shaded = np.where(true[..., None], picture, picture * shade[..., None]).clip(0, 255).astype(np.uint8)
    cutout = cut_out(shaded)
    assert overlap(cutout, true) > 0.97
    assert (cutout.alpha[455:] >= 128).mean() < 0.002, "the disk under the soles is left out"


def test_a_shadow_cast_across_the_floor_stays_behind() -> None:
    picture, true = staged()
    y, x = np.mgrid[:512, :384]
    cast = ((abs(y - 440 + 0.2 * (x - 240)) < 14) & (x > 230)).astype(np.float32)
    shade = 1 - 0.3 * cv2.GaussianBlur(cast, (0, 0), 4)
    shaded = np.where(true[..., None], picture, picture * shade[..., None]).clip(0, 255).astype(np.uint8)
    assert overlap(cut_out(shaded), true) > 0.97


@pytest.mark.parametrize("dark", [0.15, 0.25, 0.4])
@pytest.mark.parametrize("gown", [0.8, 0.85])
def test_a_gown_as_gray_as_its_shadow_does_not_go_with_it(gown: float, dark: float) -> None:
    picture, _ = staged(60)
    y, x = np.mgrid[:512, :384]
    picture *= 1 - dark * np.exp(-(((x - 192) / 110) ** 2) - ((y - 452) / 16) ** 2)[..., None]
    skirt = (abs(x - 192) < 50 + (y - 230) * 0.2) & (y >= 230) & (y < 450)
    picture[skirt] = np.array((206, 200, 190)) * gown + np.random.default_rng(3).normal(
        0, 1.5, (int(skirt.sum()), 1)
    )
    cutout = cut_out(cv2.GaussianBlur(picture, (0, 0), 0.6).clip(0, 255).astype(np.uint8))
    assert (cutout.alpha[240:395][skirt[240:395]] >= 128).mean() > 0.98
    assert (cutout.alpha[460:] >= 128).mean() < 0.002, "the shadow is left out"


@pytest.mark.parametrize("edge", [0.4, 6.0])
def test_a_horizon_between_floor_and_wall_is_backdrop(edge: float) -> None:
    picture, true = staged()
    y = np.mgrid[:512, :384][0]
    floor = 1 - 0.12 / (1 + np.exp(-np.clip((y - 380) / edge, -30, 30)))
    seen = np.where(true[..., None], picture, picture * floor[..., None]).clip(0, 255).astype(np.uint8)
    assert overlap(cut_out(seen), true) > 0.97


@pytest.mark.parametrize("outlined", [False, True])
@pytest.mark.parametrize("coat", [(218, 205, 186), (196, 206, 200), (206, 186, 190), (226, 226, 224)])
def test_a_shirt_of_nearly_the_backdrops_colour_stays(coat: tuple[int, int, int], outlined: bool) -> None:
    picture, true = staged()
    y, x = np.mgrid[:512, :384]
    shirt = (abs(x - 192) < 46) & (y > 94) & (y < 300)
    if outlined:
        picture[90:300, 142:243] = (40, 34, 36)
    else:
        shirt = (abs(x - 192) < 50) & (y > 90) & (y < 300)
    picture[shirt] = coat + np.random.default_rng(8).normal(0, 1.5, (int(shirt.sum()), 1))
    picture[92:140, 170:215] = (120, 80, 60)
    assert overlap(cut_out(picture.clip(0, 255).astype(np.uint8)), true) > 0.97


def test_an_outlined_gown_that_the_lower_edge_cuts_off_is_closed_there() -> None:
    """The backdrop does not leak in from below, between the gown's two outlines."""
    y, x = np.mgrid[:512, :384]
    light = 1 - 0.1 * ((x - 192.0) ** 2 + (y - 150.0) ** 2) / 192**2
    picture = np.asarray((226, 150, 214), np.float32) * light[..., None]
    gown = (abs(x - 192) < 80) & (y > 150)
    picture[gown] = (40, 30, 36)
    picture[(abs(x - 192) < 77) & (y > 153)] = (222, 140, 205)
    head = (x - 192) ** 2 + (y - 110) ** 2 < 50**2
    picture[head] = (110, 70, 50)
    picture += np.random.default_rng(4).normal(0, 1.5, (512, 384, 1))
    assert overlap(cut_out(picture.clip(0, 255).astype(np.uint8)), gown | head) > 0.97


def test_between_the_legs_is_backdrop_also_where_feet_and_shadow_close_it() -> None:
    picture, true = staged()
    y, x = np.mgrid[:512, :384]
    shoes = (abs(x - 192) < 54) & (y >= 440) & (y < 455)
    shade = 1 - 0.3 * np.exp(-(((x - 192) / 90) ** 2) - ((y - 448) / 18) ** 2)
    picture *= shade[..., None]
    picture[shoes] = (90, 40, 30)
    cutout = cut_out(picture.clip(0, 255).astype(np.uint8))
    assert overlap(cutout, true | shoes) > 0.97
    assert cutout.alpha[310:420, 184:200].max() < 40


def test_what_is_not_attached_is_dropped() -> None:
    picture, true = staged()
    picture[200:218, 340:356] = (70, 60, 60)  # far away, and more than a hundredth of the figure
    picture[100:103, 150:153] = (70, 60, 60)
    picture[60:63, 188:191] = (70, 60, 60)  # a chip
    cutout = cut_out(picture.clip(0, 255).astype(np.uint8))
    assert cutout.alpha[190:230, 330:].max() == 0
    assert cutout.alpha[55:70, 180:200].max() == 0
    assert overlap(cutout, true) > 0.97


def test_a_rim_lighter_than_both_sides_takes_the_figures_colour() -> None:
    picture, true = staged(90)
    picture[91:300, 142] = picture[91:300, 242] = 250
    cutout = cut_out(picture.clip(0, 255).astype(np.uint8))
    rim = (cutout.alpha >= 128) & ~cv2.erode(true.astype(np.uint8), np.ones((5, 5))).astype(bool)
    assert rim[100:290].any()
    assert cutout.foreground[100:290][rim[100:290]].max() < 200


def test_a_dark_outline_on_a_darker_backdrop_keeps_its_width() -> None:
    y, x = np.mgrid[:256, :192]
    picture = np.full((256, 192, 3), (25, 80, 85), np.float32)
    picture += np.random.default_rng(2).normal(0, 1, (256, 192, 1))
    disc = np.hypot(x - 96, y - 128) < 50
    picture[disc] = (30, 24, 28)
    picture[np.hypot(x - 96, y - 128) < 46] = (230, 150, 220)
    cutout = cut_out(picture.clip(0, 255).astype(np.uint8))
    assert overlap(cutout, disc) > 0.98


def test_hair_stays() -> None:
    picture, true = staged()
    strands = np.zeros(true.shape, np.uint8)
    for turn in np.linspace(-2.8, -0.3, 9):
        tip = (round(192 + 75 * np.cos(turn)), round(100 + 75 * np.sin(turn)))
        cv2.line(strands, (192, 100), tip, 1, 2)
    picture[strands > 0] = (70, 40, 20)
    cutout = cut_out(picture.clip(0, 255).astype(np.uint8))
    assert (cutout.alpha[(strands > 0) & ~true] >= 128).mean() > 0.9


def test_confidence_is_honest() -> None:
    """Trust no cut-out below an IoU of 0.9, in all sample sets, and trust the better ones more."""
    names: tuple[SetName, ...] = ("clean", "floor", "alike", "hard", "studio", "busy")
    pictures = [picture for name in names for picture in samples(name, 8, held_out=True)]
    cutouts = [cut_out(picture.pixels) for picture in pictures]
    overlaps = [overlap(c, p.alpha) for c, p in zip(cutouts, pictures, strict=True)]
    trusted = [cutout.confidence for cutout in cutouts]
    assert max(t for t, o in zip(trusted, overlaps, strict=True) if o < 0.9) < 0.8
    assert rank_correlation(trusted, overlaps) >= 0.7


@pytest.mark.parametrize("off", [(1, 2, -2), (1, 3, -3), (8, 8, 8), (-9, -9, -9)])
def test_what_may_be_a_sight_or_cloth_is_doubted(off: tuple[int, int, int]) -> None:
    """A large enclosed part close to the backdrop's colour is not trusted, however it is decided."""
    picture, _ = staged()
    picture[120:280, 130:254] = (60, 50, 48)
    picture[126:274, 136:248] = np.array((206, 200, 190)) + off
    assert cut_out(picture.clip(0, 255).astype(np.uint8)).confidence < 0.8


def test_edges_lose_the_backdrops_colour() -> None:
    """No visible pixel of a red disc on green paper keeps the green."""
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


def legs(foot: int, tint: tuple[int, int, int] = (217, 211, 204)) -> Pixels:
    """Return a figure with a tinted gap of 8 x 30 pixels between its legs, open below over `foot` columns."""
    picture = np.full((256, 192, 3), (211, 212, 212), np.uint8)
    picture[40:200, 50:142] = (60, 40, 30)
    picture[166:196, 92:100] = tint
    left = 96 - foot // 2
    picture[196:200, left : left + foot] = (211, 212, 212)
    return picture


def test_a_tinted_gap_between_legs_is_left_out() -> None:
    assert cut_out(legs(8)).alpha[169:194, 94:98].max() == 0


def test_cloth_like_the_backdrop_stays_behind_a_break_in_its_outline() -> None:
    assert cut_out(legs(2)).alpha[169:192, 94:98].min() == 255


def test_a_white_stripe_that_is_open_at_the_foot_stays() -> None:
    assert cut_out(legs(8, (252, 252, 250))).alpha[169:192, 94:98].min() == 255


def with_halo(picture: Pixels) -> Pixels:
    """Return the outlined coat with white blobs outside its outline, as a diffusion model paints them."""
    for row, column in ((60, 48), (140, 145), (215, 50)):
        cv2.circle(picture, (column, row), 7, (252, 252, 250), -1)
    y, x = np.mgrid[:256, :192]
    outline = (abs(x - 96) < 45) & (abs(y - 130) < 90) & ~((abs(x - 96) < 41) & (abs(y - 130) < 86))
    picture[outline] = (60, 50, 48)
    return picture


@pytest.mark.parametrize("coat", [251, 190, 90])
def test_a_pale_halo_outside_the_outline_is_left_out(coat: int) -> None:
    picture, true = outlined_coat(coat)
    cutout = cut_out(with_halo(picture))
    assert overlap(cutout, true) > 0.98
    assert cutout.alpha[60:70, 40:44].max() == 0, "left of the coat"
    assert cutout.alpha[136:144, 149:152].max() == 0, "right of the coat"


def test_a_pale_flag_beside_an_outline_stays_where_it_is_a_large_part() -> None:
    picture, _ = outlined_coat(90)
    picture[80:150, 141:185] = (252, 252, 250)
    assert cut_out(picture).alpha[90:140, 150:180].min() == 255


@pytest.mark.parametrize("levels", [16, 24])
@pytest.mark.parametrize("coat", [250, 160, 90])
def test_darkened_backdrop_beside_the_outline_is_left_out(coat: int, levels: int) -> None:
    picture, true = outlined_coat(coat)
    darkened = picture.astype(np.int16)
    darkened[130:150, 141:152] -= levels
    darkened[136:146, 33:51] -= levels
    cutout = cut_out(np.where(true[..., None], picture, darkened.astype(np.uint8)))
    assert overlap(cutout, true) > 0.99
    assert cutout.alpha[134:146, 144:149].max() == cutout.alpha[138:144, 36:46].max() == 0
