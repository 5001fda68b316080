"""Measure what a service uses while it idles, against bare Ray Serve with an empty deployment, in turn."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.engine.measured_on import machine
from bench.pages.sections import write_section
from bench.start.process_table import processes
from bench.start.sides import BARE, OURS, NotStarted, started

TRIES = 3

KEYS = {"percent": 1, "mb": 0}
"""The columns of each process, with their decimals."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="seconds to measure each side")
    parser.add_argument("--settle", type=float, default=15.0, help="seconds to leave out after a start")
    parser.add_argument("--config", default="serve/local.yaml")
    parser.add_argument("--quick", action="store_true", help="smoke test: one second per side, simulated")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table into this folder's performance.md")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.settle, arguments.config = 1.0, 0.0, "serve/simulated.yaml"
    os.chdir(Path(__file__).parents[1])
    sides = {}
    for side in (OURS, BARE):
        sides[side] = _rest(side, arguments.config, arguments.settle, arguments.seconds)
    report = {"machine": machine(), "seconds": arguments.seconds, "sides": sides}
    print("\n".join(_table(report)))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.docs:
        where = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
        head = f"Measured for {arguments.seconds:.0f} s, {arguments.settle:.0f} s after the start. {where}."
        page = arguments.docs / "performance.md"
        write_section(page, "idle", "\n".join([head, "", *_table(report)]))


def _rest(side: str, config: str, settle_s: float, seconds: float) -> dict[str, dict[str, float]]:
    """Start a side and watch it. Retry if it gave up, as stock Ray does on a busy machine."""
    for left in reversed(range(TRIES)):
        try:
            with started(side, config) as one:
                time.sleep(settle_s)
                return _watched(one.root, seconds)
        except NotStarted:
            if not left:
                raise
    raise AssertionError


def _watched(root: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return percent of a core and MB by process name, summed over processes with the same name."""
    before = {each.number: each.cpu_s for each in processes(root)}
    began = time.monotonic()
    time.sleep(seconds)
    found: defaultdict[str, dict[str, float]] = defaultdict(lambda: {"percent": 0.0, "mb": 0.0})
    after = processes(root)
    passed_s = time.monotonic() - began
    for each in after:
        row = found[each.name]
        row["percent"] += 100 * (each.cpu_s - before.get(each.number, 0.0)) / passed_s
        row["mb"] += each.pss_bytes / 1e6
    return dict(found)


def _table(report: dict[str, Any]) -> list[str]:
    sides = report["sides"]
    names = sorted({name for rows in sides.values() for name in rows})
    heads = "".join(f" {side}, % of a core | MB |" for side in sides)
    lines = [f"| process |{heads}", "|---|---|---|---|---|"]
    for name in names:
        cells = (rows.get(name) for rows in sides.values())
        shown = (f"{cell['percent']:.1f} | {cell['mb']:.0f}" if cell else "| " for cell in cells)
        lines.append(f"| {name} | {' | '.join(shown)} |")
    sums = (
        " | ".join(f"{sum(cell[key] for cell in rows.values()):.{digits}f}" for key, digits in KEYS.items())
        for rows in sides.values()
    )
    return [*lines, f"| **total** | {' | '.join(sums)} |"]


if __name__ == "__main__":
    main()
