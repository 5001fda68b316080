"""Count the bundled model's characters that are cut out well: accepted, no chips, no missing parts."""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
from PIL import Image

from bench.composition_sheet.painted import Studio
from deployments.diffusion.model.known_words import KnownWords, read_known_words, unknown_words
from deployments.diffusion.model.registry import bundled_model
from deployments.imaging.cutout.matting import LEAST_CONFIDENCE, Cutout, cut_out
from deployments.messages import Pixels
from models.training.contact_sheet import Entry, draw_sheet, save_sheet
from models.training.evaluation.held_out_prompts import describe_figure
from models.training.figures.figure_spec import Figure, sample_figure
from models.training.figures.figure_words import POSE_WORDS
from tests.support.known_alpha.flaws import (
    LOST_SHARE,
    RIM_SHARE,
    Flaws,
    flaws,
)
from tests.support.known_alpha.storybook import storybook

FIRST_SEED = 700_000
BEHIND = np.array((70, 150, 90), np.float32)
"""A green that no garment has: remains of the backdrop and holes show against it."""
OTHER_GARMENT_SLACK_PX = 16
"""Pixels by which a figure's outline may move when its garment has another colour."""

Judged = tuple[int, str, Pixels, Cutout, Flaws]
"""Seed, prompt, picture, cut-out, and its flaws."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--sheet", type=Path, default=Path("build/bundled-figures.jpg"))
    parser.add_argument("--keep", type=Path, help="write the pictures as painted to this folder")
    parser.add_argument(
        "--drawn", action="store_true", help="use the training's drawings, whose alpha is known"
    )
    arguments = parser.parse_args()
    entries, accepted, clean = [], 0, 0
    judged = drawn(arguments.count) if arguments.drawn else bundled(arguments.count, arguments.steps)
    for seed, words, painted, cutout, found in judged:
        taken = cutout.confidence >= LEAST_CONFIDENCE
        accepted += taken
        clean += found.clean
        said = ", ".join([f"confidence {cutout.confidence:.2f}", *_said(found)])
        entries.append(Entry(_on_green(cutout), words, "" if taken and found.clean else said))
        print(f"{seed}  {said}  {words}", flush=True)
        if arguments.keep is not None:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            Image.fromarray(painted).save(arguments.keep / f"{seed}.png")
    save_sheet(draw_sheet(entries), arguments.sheet)
    print(f"{accepted} of {arguments.count} accepted; sheet: {arguments.sheet}")
    print(f"{clean} of {arguments.count} without chips, pale rims or lost parts")


def bundled(count: int, steps: int) -> Iterator[Judged]:
    """Paint each figure again in a garment unlike any backdrop, to see what the first cut-out lost.

    The prompt names the pose. Else the second might wave, and the first would seem to have lost an arm.
    """
    studio, dice = Studio("character", steps), random.Random(FIRST_SEED)
    known = read_known_words(bundled_model("storybook-character"))
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        figure = _figure(dice, known)
        words = _words(figure, seed)
        other = replace(figure, garment_color="green" if figure.garment_color == "purple" else "purple")
        painted = studio.paint(words, seed).pixels
        cutout = cut_out(painted)
        whole = cut_out(studio.paint(_words(other, seed), seed).pixels).alpha >= 128
        yield seed, words, painted, cutout, flaws(cutout, painted, whole, OTHER_GARMENT_SLACK_PX)


def drawn(count: int) -> Iterator[Judged]:
    """Judge the training drawings by their true alpha: in turn in any garment, in white and in silver."""
    for number in range(count):
        garment = (None, "white", "silver")[number % 3]
        picture = storybook(number, True, True, garment)
        cutout = cut_out(picture.pixels)
        found = flaws(cutout, picture.pixels, picture.alpha >= 0.5)
        yield number, f"a drawing in {garment or 'any colour'}", picture.pixels, cutout, found


def _words(figure: Figure, seed: int) -> str:
    return f"{describe_figure(figure, random.Random(seed))}, {POSE_WORDS[figure.pose][0]}"


def _said(found: Flaws) -> list[str]:
    return [
        *([f"{found.chips} chips"] if found.chips else []),
        *([f"pale rim {found.pale_rim:.1%}"] if found.pale_rim > RIM_SHARE else []),
        *([f"lost {found.lost:.1%}"] if found.lost > LOST_SHARE else []),
    ]


def _figure(dice: random.Random, known: KnownWords | None) -> Figure:
    """Sample a figure whose description uses only words that the model knows."""
    while True:
        figure = sample_figure(dice)
        if known is None or not unknown_words(describe_figure(figure, random.Random(0)), known):
            return figure


def _on_green(cutout: Cutout) -> Image.Image:
    share = cutout.alpha[..., None] / np.float32(255)
    return Image.fromarray(np.rint(BEHIND + (cutout.foreground - BEHIND) * share).astype(np.uint8))


if __name__ == "__main__":
    main()
