"""A placeholder is a usable picture, says what it is, and is the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.imaging.placeholder import placeholder
from deployments.imaging.quality import flaw
from deployments.messages import LayerKind

KINDS: tuple[LayerKind, ...] = ("character", "background")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(384, 512), (512, 384), (256, 256), (64, 64), (1024, 64), (64, 1024)])
def test_it_passes_the_quality_check(kind: LayerKind, size: tuple[int, int]) -> None:
    pixels = placeholder(kind, *size, "a knight in silver armor")
    assert pixels.shape == (size[1], size[0], 3)
    assert pixels.dtype == np.uint8
    assert flaw(pixels) is None


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_each_time_and_can_be_written_to(kind: LayerKind) -> None:
    first, second = (placeholder(kind, 96, 128, "a castle") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.flags.writeable


def test_kinds_and_words_differ() -> None:
    character, background = (placeholder(kind, 256, 256, "a knight") for kind in KINDS)
    other = placeholder("character", 256, 256, "a wizard")
    assert (character != background).any(axis=-1).mean() > 0.5
    assert (character != other).any(axis=-1).mean() > 0.1


def test_a_character_has_a_plain_light_backdrop() -> None:
    pixels = placeholder("character", 384, 512, "a knight in silver armor and so on and on")
    rim = np.concatenate([pixels[0], pixels[:, 0], pixels[:, -1]])
    assert len(np.unique(rim, axis=0)) == 1
    assert rim.min() > 200
    assert (pixels[-1, 192] < 150).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(384, 512), (64, 64)])
def test_the_word_placeholder_is_written_and_fits(
    kind: LayerKind, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = placeholder(kind, *size, "")
    monkeypatch.setattr("deployments.imaging.placeholder.LABEL", "")
    written = np.nonzero((labelled != placeholder(kind, *size, "")).any(axis=(0, 2)))[0]
    assert len(written) > size[0] * 0.2
    assert written.min() > 0
    assert written.max() < size[0] - 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_label_is_set_smaller_rather_than_cut(kind: LayerKind, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = []
    for last in "oe":
        monkeypatch.setattr("deployments.imaging.placeholder.LABEL", "a placeholder t" + last)
        pictures.append(placeholder(kind, 64, 64, ""))
    assert (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_long_and_foreign_words_stay_inside(kind: LayerKind) -> None:
    pixels = placeholder(kind, 384, 512, "Zoë, Größe, Привет\n" * 200)
    bright = (pixels.min(axis=-1) == 255)[int(512 * 0.7) :]
    columns = np.nonzero(bright.any(axis=0))[0]
    assert columns.min() > 10
    assert columns.max() < 373
