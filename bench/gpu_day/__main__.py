"""Run all checks that need a GPU, the most valuable first, in ten minutes: exactness, speed, a picture.

The machine needs only torch. The other packages may be brought as wheels.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench.gpu_day.result_log import Report
from bench.gpu_day.runner import run_stages
from bench.gpu_day.stages import REHEARSAL, Stage, stages
from bench.gpu_day.wheels import collect, unpack

TOTAL_S = 570.0
"""Under ten minutes, so that the last result is written before a machine that is lent for so long is gone."""


def main() -> int:
    """Return 0 if every stage succeeded. A failed stage does not affect the others."""
    asked = _arguments()
    if asked.collect:
        collect(asked.collect, asked.python, asked.without, print)
        return 0
    chosen = _chosen(asked)
    if asked.list:
        for stage in chosen:
            print(f"{stage.name:16} {stage.budget_s:5.0f} s  {stage.title}")
        return 0
    total_s = asked.budget_s or TOTAL_S * (REHEARSAL if asked.rehearse else 1)
    out = asked.out or Path(os.environ.get("OUT") or "build/gpu-day")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gpu-day-") as work:
        paths = [str(Path.cwd())]
        if asked.wheels:
            paths.insert(0, str(unpack(asked.wheels, Path(work) / "site")))
        report = Report(out, rehearsal=asked.rehearse)
        succeeded = run_stages(chosen, report, Path(work), paths, total_s)
    print(f"\nresults: {out / 'report.txt'} and report.json")
    return 0 if succeeded else 1


def _arguments() -> argparse.Namespace:
    names = [stage.name for stage in stages(rehearse=True)]
    parser = argparse.ArgumentParser(prog="scripts/gpu-day", description=__doc__)
    parser.add_argument(
        "--rehearse", action="store_true", help="run everything in small on the CPU, with more time"
    )
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="STAGE", help="run only these of " + ", ".join(names)
    )
    parser.add_argument("--budget-s", type=_seconds, help=f"seconds for all stages (default {TOTAL_S:.0f})")
    parser.add_argument("--out", type=Path, help="folder for the results; default $OUT, or build/gpu-day")
    parser.add_argument("--wheels", type=_folder, metavar="DIR", help="use the packages of these wheels")
    parser.add_argument(
        "--collect", type=Path, metavar="DIR", help="download the wheels into this folder and exit"
    )
    parser.add_argument(
        "--python", default="", metavar="3.12", help="--collect for x86-64 Linux and this Python version"
    )
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="NAME", help="--collect without these packages"
    )
    parser.add_argument("--list", action="store_true", help="list the stages and their budgets, and exit")
    return parser.parse_args()


def _chosen(asked: argparse.Namespace) -> list[Stage]:
    every = stages(asked.rehearse)
    return [stage for stage in every if not asked.only or stage.name in asked.only]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("must be from 1 to 86400 seconds")
    return seconds


def _folder(text: str) -> Path:
    folder = Path(text)
    if not any(folder.glob("*.whl")):
        raise argparse.ArgumentTypeError(f"{text} must be a folder that contains wheels")
    return folder.resolve()


if __name__ == "__main__":
    sys.exit(main())
