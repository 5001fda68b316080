"""Measure cut-outs and harmonising on pictures with known alpha; print one line per set."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np

from deployments.imaging.composite.compositing import LEAST_CONFIDENCE, compose
from deployments.imaging.composite.lighting import harmonise, mean_lab
from deployments.imaging.composite.pasting import paste
from deployments.imaging.composite.placing import cover, place, resize_figure
from deployments.imaging.cutout.matting import cut_out
from deployments.messages import MergeOptions, Pixels
from models.training.places.draw_place import draw_place, sample_place
from tests.support.known_alpha.sets import Sample
from tests.support.known_alpha.storybook import storybook

NEAR = 40.0
"""The Lab distance up to which harmonising must reduce the distance by at least 30%."""


def report_cutouts(name: str, pictures: Iterable[Sample]) -> None:
    overlaps, errors, accepted = [], [], []
    for picture in pictures:
        cutout = cut_out(picture.pixels)
        alpha = cutout.alpha / 255
        found, true = alpha > 0.5, picture.alpha > 0.5
        overlaps.append((found & true).sum() / max(1, (found | true).sum()))
        errors.append(np.abs(alpha - picture.alpha).mean())
        accepted.append(cutout.confidence >= LEAST_CONFIDENCE)
    good = [overlap >= 0.8 for overlap, taken in zip(overlaps, accepted, strict=True) if taken]
    print(
        f"{name:14}{np.mean(overlaps):8.4f}{min(overlaps):8.3f}{np.mean(errors):11.4f}{np.mean(accepted):10.1%}"
        f"{np.mean(good) if good else float('nan'):17.1%}"
    )


def report_refusals(count: int) -> None:
    """Report the share of pictures of nothing that are pasted, identical to the original merge."""
    place_behind = np.asarray(draw_place(sample_place(random.Random(0)), 512, 384))
    pasted = 0
    for seed in range(count):
        dice = np.random.default_rng(seed)
        flat = np.full((512, 384, 3), dice.integers(0, 256, 3), np.uint8)
        black, noise = np.zeros_like(flat), dice.integers(0, 256, flat.shape, dtype=np.uint8)
        picture = (flat, black, noise)[seed % 3]
        made = compose(picture, place_behind, MergeOptions())
        original = paste(picture, place_behind, MergeOptions(mode="paste"))[0]
        pasted += made.mode == "paste" and made.picture.tobytes() == original.tobytes()
    print(f"\nflat, black, noise: {pasted / count:.1%} pasted, pixel-identical")


def report_harmonising(count: int, held_out: bool) -> None:
    cuts, clips = [], []
    for number in range(count):
        figure, frame, box = _placed(number, held_out)
        x, y, wide, high = box
        behind = mean_lab(frame[y : y + high, x : x + wide].reshape(-1, 3))
        opaque = figure[..., 3] > 230
        before = figure[opaque][:, :3]
        after = harmonise(figure, frame, box, MergeOptions.harmonize)[opaque][:, :3]
        start, end = (float(np.linalg.norm(mean_lab(colors) - behind)) for colors in (before, after))
        if start <= NEAR:
            cuts.append(1 - end / start)
        clips.append(max(0.0, _clipped(after) - _clipped(before)))
    print(
        f"harmonising {count} storybook scenes: newly clipped {np.mean(clips):.2%} (worst {max(clips):.2%}); "
        f"in the {len(cuts)} that start at a Lab distance <= {NEAR:.0f} "
        f"it falls by {np.mean(cuts):.1%} (worst {min(cuts):.1%})"
    )


def _placed(number: int, held_out: bool) -> tuple[Pixels, Pixels, tuple[int, int, int, int]]:
    options = MergeOptions()
    cutout = cut_out(storybook(number, held_out, True).pixels)
    placement = place(cutout.alpha, options)
    assert placement is not None
    behind = np.asarray(draw_place(sample_place(random.Random(number)), 768, 384))
    figure = resize_figure(cutout.foreground, cutout.alpha, placement)
    return figure, cover(behind, options.width_px, options.height_px), placement.box


def _clipped(colors: Pixels) -> float:
    return float(((colors == 0) | (colors == 255)).any(1).mean())
