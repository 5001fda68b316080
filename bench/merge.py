"""Measure the merge: cut-outs of figures with known alpha, harmonising, and the time of 1024x512 scenes."""

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

from bench.pages.sections import write_section
from deployments.imaging.composite.compositing import compose
from deployments.imaging.composite.enhancing import enhance
from deployments.imaging.composite.group_composing import compose_group
from deployments.imaging.composite.pasting import paste
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import FigureOptions, MergeOptions, OutputOptions
from models.training.places.draw_place import draw_place, sample_place
from tests.support.known_alpha.quality import report_cutouts, report_harmonising, report_refusals
from tests.support.known_alpha.sets import SETS, samples
from tests.support.known_alpha.storybook import storybook

FIGURES = 4
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="pictures per set; 0 for times only")
    parser.add_argument(
        "--tuning", action="store_true", help="use the seeds on which the thresholds were chosen"
    )
    parser.add_argument("--rounds", type=int, default=60, help="merges to time")
    parser.add_argument("--docs", type=Path, help="also write the times into this folder's performance.md")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    where = (
        f"{_processor()}; Python {platform.python_version()}, OpenCV {cv2.__version__}, "
        f"numpy {np.__version__}, Pillow {PIL.__version__}; one thread; load {os.getloadavg()[0]:.1f}"
    )
    print(where)
    held_out = not arguments.tuning
    if arguments.count:
        _report_quality(arguments.count, held_out)
    table = _table(_times(arguments.rounds, held_out), arguments.rounds)
    print("\n".join(table))
    if arguments.docs:
        write_section(arguments.docs / "performance.md", "merge", "\n".join([f"{where}.", "", *table]))


def _report_quality(count: int, held_out: bool) -> None:
    print(f"{count} pictures per set, {'held-out' if held_out else 'tuning'} seeds\n")
    print(f"{'set':14}{'IoU':>8}{'worst':>8}{'alpha MAE':>11}{'accepted':>10}{'P(IoU>=.8|acc.)':>17}")
    for name in SETS:
        report_cutouts(name, samples(name, count, held_out))
    for kind, softened in (("storybook", False), ("as painted", True)):
        report_cutouts(kind, (storybook(number, held_out, softened) for number in range(count)))
    for garment in ("white", "silver"):
        report_cutouts(garment, (storybook(number, held_out, True, garment) for number in range(count)))
    report_refusals(count)
    report_harmonising(count, held_out)


def _times(rounds: int, held_out: bool) -> dict[str, list[float]]:
    """Return CPU ms of each way to make a scene's file. Raises ValueError if a merge is not repeatable."""
    characters = [storybook(number, held_out, True).pixels for number in range(3, 3 + FIGURES)]
    behind = np.asarray(draw_place(sample_place(random.Random(1)), 512, 384))
    jpeg = OutputOptions("jpeg", 95)

    def merged() -> bytes:
        return encode(compose(characters[0], behind, MergeOptions()).picture, jpeg).data

    def four() -> bytes:
        group = compose_group(characters, behind, MergeOptions(), [FigureOptions()] * FIGURES)
        return encode(group.picture, jpeg).data

    def original(finish: bool) -> bytes:
        picture = paste(characters[0], behind, MergeOptions(mode="paste"))[0]
        return encode(enhance(picture) if finish else picture, jpeg, optimize=True).data

    acts: dict[str, Callable[[], bytes]] = {
        "one figure": merged,
        "four figures": four,
        "the original merge": lambda: original(False),
        "the original merge and its enhancer": lambda: original(True),
    }
    for name, act in acts.items():
        if len({act() for _ in range(REPEATS)}) != 1:
            raise ValueError(f"{name}: equal pictures gave different bytes")
    times: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):  # In turn, so that a busy neighbour slows all equally.
        for name, act in acts.items():
            started = time.process_time()
            act()
            times[name].append(1e3 * (time.process_time() - started))
    return times


def _table(times: dict[str, list[float]], rounds: int) -> list[str]:
    head = f"CPU ms of a 1024x512 scene to JPEG over {rounds} rounds; {REPEATS} repeats gave equal bytes."
    lines = [head, "", "| | median | best | p95 |", "|---|---|---|---|"]
    for name, spent in times.items():
        slow = float(np.percentile(spent, 95))
        lines.append(f"| {name} | {statistics.median(spent):.1f} | {min(spent):.1f} | {slow:.1f} |")
    return lines


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
