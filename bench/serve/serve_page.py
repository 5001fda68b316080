"""Write the edge's section of docs/performance.md: a row per graph, against the tutorial in stock Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.pages.sections import write_section
from bench.serve.load import HOPS, REST


def write(report: Mapping[str, Any], sides: Sequence[str], against: str, folder: Path) -> None:
    """Write into `folder`/performance.md.

    `report` is what `bench serve` writes as JSON, and `sides` names its rows.
    """
    lines = [
        f"{report['rounds']} rounds of {report['scenes']} scenes per side. "
        + ", ".join(f"{name} {value}" for name, value in report["machine"].items())
        + ".",
        "",
        f"| each layer | callers | | scenes/s | p50 ms | CPU ms per scene | scenes/s relative to {against} |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in report["runs"]:
        for side in sides:
            each = run[side]
            where = f"{run['size']} | {run['callers']}" if side == sides[0] else " | "
            times = "" if side == against else f"{each['per_s'] / run[against]['per_s']:.2f}"
            lines.append(
                f"| {where} | {side} | {each['per_s']:.1f} | {each['p50_ms']:.0f} | {each['cpu_ms']:.1f} |"
                f" {times} |"
            )
    lines += ["", *_hops(report["runs"], (sides[0], against))]
    write_section(folder / "performance.md", "edge", "\n".join(lines))


def _hops(runs: Sequence[Mapping[str, Any]], sides: Sequence[str]) -> list[str]:
    """Return the table of the CPU time of each process that a scene passes through."""
    names = (*HOPS, REST)
    lines = [
        f"| CPU ms per scene: each layer | callers | | {' | '.join(names)} |",
        f"|---|---|---|{'---|' * len(names)}",
    ]
    for run in runs:
        for side in sides:
            where = f"{run['size']} | {run['callers']}" if side == sides[0] else " | "
            hops = (f"{run[side]['hops_ms'][name]:.1f}" for name in names)
            lines.append(f"| {where} | {side} | {' | '.join(hops)} |")
    return lines
