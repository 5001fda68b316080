"""The pictures with known alpha, and the measures of a cut-out's visible flaws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deployments.imaging.cutout.matting import Cutout
from deployments.messages import Pixels
from tests.support.known_alpha.agreement import (
    folder,
    overlap,
    rank_correlation,
    report,
)
from tests.support.known_alpha.flaws import (
    chips,
    flaws,
    lost_part,
    pale_rim,
)
from tests.support.known_alpha.sets import STAGED, SetName, sample

GRAY, RED = 128, (170, 40, 40)


def figure() -> tuple[Pixels, Pixels]:
    """A red body on gray paper (200, 150, 3), and its alpha."""
    alpha = np.zeros((200, 150), np.uint8)
    alpha[30:180, 50:100] = 255
    picture = np.full((200, 150, 3), GRAY, np.uint8)
    picture[alpha > 0] = RED
    return picture, alpha


def test_a_figure_that_is_whole_has_no_flaws() -> None:
    picture, alpha = figure()
    found = flaws(Cutout(picture, alpha, 1.0), picture, alpha > 0)
    assert (found.chips, found.pale_rim, found.lost) == (0, 0, 0)
    assert found.clean


def test_chips_are_counted_and_a_hand_is_none() -> None:
    _, alpha = figure()
    alpha[20:22, 20:22] = 255
    alpha[60, 120] = 70
    assert chips(alpha) == 2
    alpha[100:110, 10:20] = 255  # a hand whose sleeve was lost
    assert chips(alpha) == 2
    alpha[60, 120] = 40  # too faint to be seen
    assert chips(alpha) == 1


@pytest.mark.parametrize(("rim", "pale"), [((240, 240, 240), True), ((20, 20, 20), False), (RED, False)])
def test_a_rim_counts_where_it_is_lighter_than_both_sides(rim: tuple[int, int, int], pale: bool) -> None:
    picture, alpha = figure()
    lined = picture.copy()
    lined[30:180, 50] = lined[30:180, 99] = lined[30, 50:100] = lined[179, 50:100] = rim
    found = flaws(Cutout(lined, alpha, 1.0), picture, alpha > 0)
    assert found.chipped is pale
    assert (found.pale_rim > 0.9) is pale


def test_a_pale_rim_on_paper_as_pale_is_none() -> None:
    picture, alpha = figure()
    picture[alpha == 0] = 245
    picture[30:180, 50] = 240
    assert pale_rim(Cutout(picture, alpha, 1.0), picture) == 0


def test_a_part_that_is_missing_is_lost_and_an_edge_is_not() -> None:
    _, alpha = figure()
    whole = alpha > 0
    shirtless = alpha.copy()
    shirtless[70:110, 50:100] = 0
    assert lost_part(shirtless, whole) == pytest.approx(36 * 50 / whole.sum())
    thinner = alpha.copy()
    thinner[:, :52] = 0
    assert lost_part(thinner, whole) == 0
    assert lost_part(np.roll(alpha, 8, 1), whole) > 0.01
    assert lost_part(np.roll(alpha, 8, 1), whole, slack_px=16) == 0


def test_ranks_are_compared_and_not_values() -> None:
    assert rank_correlation([0.1, 0.2, 0.9], [1, 100, 101]) == pytest.approx(1)
    assert rank_correlation([0.1, 0.2, 0.9], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 2, 2], [5, 6, 5, 6]) == pytest.approx(0)


def test_a_set_reports_the_poor_ones_that_were_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    report("floor", [(0.99, 0.9), (0.5, 0.9), (0.5, 0.2)])
    assert capsys.readouterr().out.split()[:5] == ["floor", "0.6633", "0.500", "2", "1"]


def test_a_folder_of_pictures_is_read_with_its_alphas(tmp_path: Path) -> None:
    picture, alpha = figure()
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(alpha).save(tmp_path / "a-alpha.png")
    (read,) = folder(tmp_path)
    np.testing.assert_array_equal(read.pixels, picture)
    assert overlap(alpha, read.alpha) == 1


@pytest.mark.parametrize("name", STAGED)
def test_a_staged_picture_repeats_and_shows_its_figure(name: SetName) -> None:
    for seed in (1, 100_001):
        one, again = sample(name, seed), sample(name, seed)
        np.testing.assert_array_equal(one.pixels, again.pixels)
        solid, clear = one.alpha > 0.99, one.alpha < 0.01
        assert 0.03 < solid.mean() < 0.7
        assert clear[:40].mean() > 0.3
        assert one.pixels[solid].std() > one.pixels[:30].reshape(-1, 3).std(0).mean()
