"""Measure how open_nsfw, trained on photographs, scores drawings: `python -m bench.safety`."""

from __future__ import annotations

import random
import time

import numpy as np
from PIL import Image, ImageDraw

from deployments.imaging.safety_check import open_nsfw
from deployments.messages import Pixels
from models.training.subjects import SUBJECTS

COUNT, SEED = 64, 9
SKIN, PAPER = (233, 190, 160), (224, 224, 222)


def doll() -> Pixels:
    """Draw an unclothed figure in a plain storybook style, which should be found if anything is."""
    picture = Image.new("RGB", (384, 512), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((130, 20, 254, 150), fill=SKIN)
    for box, radius in (((110, 140, 274, 400), 60), ((120, 380, 180, 505), 25), ((200, 380, 260, 505), 25)):
        draw.rounded_rectangle(box, radius, fill=SKIN)
    return np.asarray(picture)


def main() -> None:
    score = open_nsfw()
    for name, subject in sorted(SUBJECTS.items()):
        rng = random.Random(SEED)
        specs = [subject.sample_for_training(rng) for _ in range(COUNT)]
        width, height, _ = subject.sizes[0]
        scores = [score(np.asarray(subject.draw(spec, width, height))) for spec in specs]
        print(f"{name}: {COUNT} drawings, median {np.median(scores):.4f}, most {max(scores):.4f}")
    print(f"a plain doll without clothes: {score(doll()):.4f}")
    began = time.perf_counter()
    for _ in range(20):
        score(doll())
    print(f"{1e3 * (time.perf_counter() - began) / 20:.0f} ms a picture on one core")


if __name__ == "__main__":
    main()
