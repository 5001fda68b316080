"""Measure the merge: cut-outs of figures with known alpha, harmonising, the time of a 1024x512 scene."""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Before numpy: the figures are for one core.
import cv2
import numpy as np
import PIL

from deployments.imaging.composite.compositing import compose
from deployments.imaging.composite.enhancing import enhance
from deployments.imaging.composite.pasting import paste
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import MergeOptions, OutputOptions
from models.training.places.draw_place import draw_place, sample_place
from tests.support.known_alpha.quality import report_cutouts, report_harmonising, report_refusals
from tests.support.known_alpha.sets import SETS, samples
from tests.support.known_alpha.storybook import storybook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="pictures of each set")
    parser.add_argument("--tuning", action="store_true", help="the seeds that thresholds were chosen on")
    parser.add_argument("--rounds", type=int, default=60, help="merges to time")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        f"{_processor()}; Python {platform.python_version()}, OpenCV {cv2.__version__}, "
        f"numpy {np.__version__}, Pillow {PIL.__version__}; one thread; load {os.getloadavg()[0]:.1f}"
    )
    print(f"{arguments.count} pictures a set, {'tuning' if arguments.tuning else 'held-out'} seeds\n")
    print(f"{'set':14}{'IoU':>8}{'worst':>8}{'alpha MAE':>11}{'accepted':>10}{'P(IoU>=.8|acc.)':>17}")
    held_out = not arguments.tuning
    for name in SETS:
        report_cutouts(name, samples(name, arguments.count, held_out))
    for kind, softened in (("storybook", False), ("as painted", True)):
        report_cutouts(kind, (storybook(number, held_out, softened) for number in range(arguments.count)))
    for garment in ("white", "silver"):
        report_cutouts(
            garment, (storybook(number, held_out, True, garment) for number in range(arguments.count))
        )
    report_refusals(arguments.count)
    report_harmonising(arguments.count, held_out)
    _report_times(arguments.rounds, held_out)


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
        slow = np.percentile(spent, 95)
        print(f"  {name:40}{statistics.median(spent):7.1f} median{min(spent):7.1f} best{slow:7.1f} p95")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
