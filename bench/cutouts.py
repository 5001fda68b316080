"""Measure cut-outs of figures with known alpha: IoU by set, confidence against IoU, chips and lost parts."""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import cv2
import numpy as np
from PIL import Image

from deployments.imaging.cutout.matting import Cutout, cut_out
from tests.support.known_alpha.agreement import (
    folder,
    overlap,
    rank_correlation,
    report,
)
from tests.support.known_alpha.flaws import Flaws, flaws
from tests.support.known_alpha.sets import SETS, Sample, samples
from tests.support.known_alpha.storybook import storybook

BEHIND = np.array((70, 150, 90), np.float32)
SHEET_ACROSS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="pictures per set")
    parser.add_argument(
        "--tuning", action="store_true", help="use the shapes and seeds on which the thresholds were chosen"
    )
    parser.add_argument(
        "--pictures", type=Path, help="use this folder of NAME.jpg or .png with NAME-alpha.png"
    )
    parser.add_argument(
        "--sheet", type=Path, help="write a contact sheet of each set's first ten, painted and cut out"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    held_out = not arguments.tuning
    sets: dict[str, list[Sample]] = {}
    if arguments.pictures is not None:
        sets[arguments.pictures.name[:13]] = list(folder(arguments.pictures))
    else:
        sets = {name: list(samples(name, arguments.count, held_out)) for name in SETS}
        for garment in (None, "white", "silver"):
            drawn = [
                storybook(number, held_out, garment is not None, garment) for number in range(arguments.count)
            ]
            sets[f"drawn {garment or 'any'}"] = drawn
    print(f"{'set':14}{'IoU':>8}{'worst':>8}{'<0.9':>8}{'of them>=.8':>12}{'confidence':>12}{'accepted':>10}")
    pairs, spent, counted, rows = [], [], [], []
    for name, pictures in sets.items():
        cutouts = []
        for picture in pictures:
            started = time.process_time()
            cutouts.append(cut_out(picture.pixels))
            spent.append(1e3 * (time.process_time() - started))
        found = zip(pictures, cutouts, strict=True)
        pairs += report(name, [(overlap(c.alpha, p.alpha), c.confidence) for p, c in found])
        if name != "busy":
            counted += [flaws(c, p.pixels, p.alpha >= 0.5) for p, c in zip(pictures, cutouts, strict=True)]
        rows.append(_row(pictures, cutouts))
    print(f"\nrank correlation of confidence and IoU: {rank_correlation(*zip(*pairs, strict=True)):.3f}")
    print(f"CPU ms per cut-out: {statistics.median(spent):.1f} median, {np.percentile(spent, 95):.1f} p95")
    _print_flaws(counted)
    if arguments.sheet is not None:
        arguments.sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.vstack(rows)).save(arguments.sheet)


def _print_flaws(counted: list[Flaws]) -> None:
    clean, chipped = sum(found.clean for found in counted), sum(found.chipped for found in counted)
    print(f"{clean} of {len(counted)} without chips, pale rims or lost parts; {chipped} chipped or rimmed")


def _row(pictures: list[Sample], cutouts: list[Cutout]) -> np.ndarray:
    """Draw the first ten at half size, as painted above and cut out on green below."""
    columns = []
    for picture, cutout in list(zip(pictures, cutouts, strict=True))[:SHEET_ACROSS]:
        share = cutout.alpha[..., None] / np.float32(255)
        on_green = np.rint(BEHIND + (cutout.foreground - BEHIND) * share).astype(np.uint8)
        columns.append(
            cv2.resize(np.vstack([picture.pixels, on_green]), (192, 512), interpolation=cv2.INTER_AREA)
        )
    blank = np.full((512, 192, 3), 255, np.uint8)
    return np.hstack(columns + [blank] * (SHEET_ACROSS - len(columns)))


if __name__ == "__main__":
    main()
