"""The merge: cut-out quality on figures with known alpha, harmonising, and the time of a 1024x512 scene."""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Before numpy: the figures are for one core.
sys.path.insert(0, str(Path(__file__).parents[1]))  # models/ and bench/ are not installed.

import cv2
import numpy as np
import PIL

from bench.known_alpha.sets import SETS, Sample, samples
from bench.known_alpha.storybook import storybook
from deployments.imaging.compositing import LEAST_CONFIDENCE, compose
from deployments.imaging.encoding import encode
from deployments.imaging.enhancing import enhance
from deployments.imaging.harmonising import harmonise, mean_lab
from deployments.imaging.matting import cut_out
from deployments.imaging.pasting import paste
from deployments.imaging.placing import cover, place, resize_figure
from deployments.messages import MergeOptions, OutputOptions, Pixels
from models.training.places import draw_place, sample_place

NEAR = 40.0
"""Lab distance up to which harmonising is asked to cut it by at least 30%."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="pictures of each set")
    parser.add_argument("--tuning", action="store_true", help="the seeds that thresholds were chosen on")
    parser.add_argument("--rounds", type=int, default=60, help="merges to time")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{_processor()}; Python {platform.python_version()}, OpenCV {cv2.__version__}, "
          f"numpy {np.__version__}, Pillow {PIL.__version__}; one thread; load {os.getloadavg()[0]:.1f}")
    print(f"{asked.count} pictures a set, {'tuning' if asked.tuning else 'held-out'} seeds\n")
    print(f"{'set':14}{'IoU':>8}{'worst':>8}{'alpha MAE':>11}{'accepted':>10}{'P(IoU>=.8|acc.)':>17}")
    held_out = not asked.tuning
    for name in SETS:
        _report_cutouts(name, samples(name, asked.count, held_out))
    for name, softened in (("storybook", False), ("as painted", True)):
        _report_cutouts(name, (storybook(number, held_out, softened) for number in range(asked.count)))
    _report_refusals(asked.count)
    _report_harmonising(asked.count, held_out)
    _report_times(asked.rounds, held_out)


def _report_cutouts(name: str, pictures: Iterable[Sample]) -> None:
    overlaps, errors, accepted = [], [], []
    for picture in pictures:
        cutout = cut_out(picture.pixels)
        alpha = cutout.alpha / 255
        found, true = alpha > 0.5, picture.alpha > 0.5
        overlaps.append((found & true).sum() / max(1, (found | true).sum()))
        errors.append(np.abs(alpha - picture.alpha).mean())
        accepted.append(cutout.confidence >= LEAST_CONFIDENCE)
    good = [overlap >= 0.8 for overlap, taken in zip(overlaps, accepted, strict=True) if taken]
    print(f"{name:14}{np.mean(overlaps):8.4f}{min(overlaps):8.3f}{np.mean(errors):11.4f}{np.mean(accepted):10.1%}"
          f"{np.mean(good) if good else float('nan'):17.1%}")


def _report_refusals(count: int) -> None:
    """Pictures with nothing in them must be pasted, and the paste be the original merge to the pixel."""
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


def _report_harmonising(count: int, held_out: bool) -> None:
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
    print(f"harmonising {count} storybook scenes: Lab distance cut by {np.mean(cuts):.1%} (worst {min(cuts):.1%}) "
          f"in the {len(cuts)} that start <= {NEAR:.0f}; newly clipped {np.mean(clips):.2%} (worst {max(clips):.2%})")


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


def _report_times(rounds: int, held_out: bool) -> None:
    character = storybook(3, held_out, True).pixels
    behind = np.asarray(draw_place(sample_place(random.Random(1)), 512, 384))
    jpeg = OutputOptions("jpeg", 95)

    def merged() -> bytes:
        return encode(compose(character, behind, MergeOptions()).picture, jpeg).data

    def original(finish: bool) -> bytes:
        picture = paste(character, behind, MergeOptions(mode="paste"))[0]
        return encode(enhance(picture) if finish else picture, jpeg, optimize=True).data

    acts: dict[str, Callable[[], bytes]] = {
        "merge to JPEG": merged,
        "the original merge to JPEG": lambda: original(False),
        "the original merge + enhancer to JPEG": lambda: original(True),
    }
    same = len({act() for act in [merged] * 5}) == 1
    times: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):  # In turns, so that a busy neighbour slows all alike.
        for name, act in acts.items():
            started = time.process_time()
            act()
            times[name].append(1e3 * (time.process_time() - started))
    print(f"\nrepeat runs byte-identical: {same}\nCPU ms of a 1024x512 scene over {rounds} rounds:")
    for name, spent in times.items():
        print(f"  {name:40}{statistics.median(spent):7.1f} median{min(spent):7.1f} best{np.percentile(spent, 95):7.1f} p95")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
