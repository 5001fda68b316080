"""Transparency by a colour, a grey shade or a palette, at every depth that a PNG may have."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.imaging.files.decoding import figure_pixels, open_upright, place_pixels
from deployments.messages import Pixels
from tests.support.making import chunk, png

DICE = np.random.default_rng(2)
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def key(*samples: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(samples)}H", *samples))


def figure(data: bytes) -> Pixels:
    return figure_pixels(open_upright(data, "character", 1_000_000))


def grey(bits: int) -> Any:
    """Return random shades of this bit depth."""
    return DICE.integers(0, 1 << bits, (20, 30), np.uint16)


def eight(samples: Any, bits: int) -> Any:
    return (samples >> 8 if bits == 16 else samples * (255 // ((1 << bits) - 1))).astype(np.uint8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_shade(bits: int) -> None:
    samples = grey(bits)
    for shade in {0, 1, (1 << bits) - 1, int(samples[3, 3])}:
        samples[5, 7] = shade
        seen = figure(png(samples, bits, before=[key(shade)]))
        assert np.array_equal(seen[..., 3], np.where(samples == shade, 0, 255))
        assert np.array_equal(seen[..., 0], eight(samples, bits))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour(bits: int) -> None:
    samples = DICE.integers(0, 1 << bits, (20, 30, 3), np.uint16)
    samples[4:9, 4:9] = (7, 8, 9)
    samples[10, 10] = (7, 8, 8)  # At 16 bits, the upper bytes are the same.
    seen = figure(png(samples, bits, before=[key(7, 8, 9)]))
    assert np.array_equal(seen[..., 3], np.where((samples == (7, 8, 9)).all(2), 0, 255))
    assert np.array_equal(seen[..., :3], eight(samples, bits))


def test_the_meaningless_bits_of_a_shade_are_passed_over() -> None:
    samples = grey(2)
    seen = figure(png(samples, 2, before=[key(0xFF00 | 3)]))
    assert np.array_equal(seen[..., 3], np.where(samples == 3, 0, 255))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("excess", [0, 1, 200])
def test_a_palette(bits: int, excess: int) -> None:
    samples = grey(bits)
    colors = DICE.integers(0, 256, (1 << bits, 3), np.uint8)
    alphas = DICE.integers(0, 256, (1 << bits) + excess, np.uint8)
    alphas[0] = 0
    said = [chunk(b"PLTE", colors.tobytes()), chunk(b"tRNS", alphas.tobytes())]
    seen = figure(png(samples, bits, PALETTE, before=said))
    assert np.array_equal(seen[..., 3], alphas[samples])
    assert np.array_equal(seen[..., :3], colors[samples])


def test_a_palette_whose_first_colours_alone_are_transparent() -> None:
    samples = grey(2)
    colors = DICE.integers(0, 256, (4, 3), np.uint8)
    said = [chunk(b"PLTE", colors.tobytes()), chunk(b"tRNS", b"\x40\0")]
    seen = figure(png(samples, 2, PALETTE, before=said))
    assert np.array_equal(seen[..., 3], np.array([0x40, 0, 255, 255])[samples])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("color", [GREY_ALPHA, RGBA])
def test_an_alpha_of_its_own_wins(bits: int, color: int) -> None:
    channels = 2 if color == GREY_ALPHA else 4
    samples = DICE.integers(0, 1 << bits, (20, 30, channels), np.uint16)
    seen = figure(png(samples, bits, color, before=[key(*samples[0, 0, : channels - 1])]))
    assert np.array_equal(seen[..., 3], eight(samples, bits)[..., -1])
    assert np.array_equal(seen[..., 0], eight(samples, bits)[..., 0])


@pytest.mark.parametrize("said", [b"", b"\0", b"\0\1\2", b"\0" * 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_of_another_length_is_none(said: bytes, channels: int) -> None:
    samples = DICE.integers(0, 256, (20, 30, channels), np.uint16)
    seen = figure(png(samples, before=[chunk(b"tRNS", said)]))
    assert np.array_equal(seen, np.broadcast_to(samples, (20, 30, 3)))


def test_a_place_is_white_where_it_is_transparent() -> None:
    samples = DICE.integers(0, 1 << 16, (20, 30, 3), np.uint16)
    samples[4:9, 4:9] = (7, 8, 9)
    seen = place_pixels(open_upright(png(samples, 16, before=[key(7, 8, 9)]), "background", 1_000_000))
    assert (seen[4:9, 4:9] == 255).all()
    assert np.array_equal(seen[10:], eight(samples, 16)[10:])


@settings(max_examples=80, deadline=None)
@given(bits=st.sampled_from([1, 2, 4, 8, 16]), shade=st.integers(0, 0xFFFF), size=st.integers(16, 23))
def test_whatever_shade_it_is(bits: int, shade: int, size: int) -> None:
    samples = np.random.default_rng(size).integers(0, 1 << bits, (17, size), np.uint16)
    samples[0, 0] = shade & ((1 << bits) - 1)
    seen = figure(png(samples, bits, before=[key(shade)]))
    assert np.array_equal(seen[..., 3] == 0, samples == samples[0, 0])
