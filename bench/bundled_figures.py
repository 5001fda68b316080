"""Characters of the bundled model, cut out: how many are accepted, and a contact sheet to look at."""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))  # models/ and bench/ are not installed.

import numpy as np
from PIL import Image

from bench.composing.painted import Studio
from deployments.diffusion.model.known_words import KnownWords, read_known_words, unknown_words
from deployments.diffusion.model.registry import bundled_model
from deployments.imaging.cutout.cutout_fallback import LEAST_CONFIDENCE
from deployments.imaging.cutout.matting import Cutout, cut_out
from models.training.contact_sheet import Entry, draw_sheet, save_sheet
from models.training.figure_spec import sample_figure
from models.training.prompts import describe_figure

FIRST_SEED = 700_000
BEHIND = np.array((70, 150, 90), np.float32)
"""A green that no garment has: what is left of the backdrop shows against it, and holes do."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--sheet", type=Path, default=Path("build/bundled-figures.jpg"))
    parser.add_argument("--keep", type=Path, help="a folder for the pictures as they were painted")
    asked = parser.parse_args()
    studio, dice = Studio("character", asked.steps), random.Random(FIRST_SEED)
    known, entries, accepted = read_known_words(bundled_model("storybook-character")), [], 0
    for number in range(asked.count):
        words = _described(dice, known)
        layer = studio.paint(words, FIRST_SEED + number)
        cutout = cut_out(layer.pixels)
        taken = cutout.confidence >= LEAST_CONFIDENCE
        accepted += taken
        said = f"confidence {cutout.confidence:.2f}"
        entries.append(Entry(_on_green(cutout), words, said if not taken else ""))
        print(f"{FIRST_SEED + number}  {said}  {words}", flush=True)
        if asked.keep is not None:
            asked.keep.mkdir(parents=True, exist_ok=True)
            Image.fromarray(layer.pixels).save(asked.keep / f"{FIRST_SEED + number}.png")
    save_sheet(draw_sheet(entries), asked.sheet)
    print(f"{accepted} of {asked.count} accepted, at {asked.steps} steps; the sheet is {asked.sheet}")


def _described(dice: random.Random, known: KnownWords | None) -> str:
    """Describe some figure in words that the model knows, of those that the drawings have."""
    while True:
        words = describe_figure(sample_figure(dice), dice)
        if known is None or not unknown_words(words, known):
            return words


def _on_green(cutout: Cutout) -> Image.Image:
    share = cutout.alpha[..., None] / np.float32(255)
    return Image.fromarray(np.rint(BEHIND + (cutout.foreground - BEHIND) * share).astype(np.uint8))


if __name__ == "__main__":
    main()
