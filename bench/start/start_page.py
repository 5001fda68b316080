"""Write the start's section of docs/performance.md: a row per phase, with both sides beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.pages.sections import write_section


def table(report: Mapping[str, Any]) -> list[str]:
    """Return the lines of the table. `report` is what `bench start` writes as JSON."""
    ours, bare = report["sides"]
    lines = [
        f"| phase | {ours['side']}, s | CPU s | {bare['side']}, s | CPU s |",
        "|---|---|---|---|---|",
    ]
    for place, phase in enumerate(report["phases"]):
        cells = (f"{side[key][place]:.1f}" for side in (ours, bare) for key in ("seconds", "cpu_s"))
        lines.append(f"| {phase} | {' | '.join(cells)} |")
    cells = (f"{sum(side[key]):.1f}" for side in (ours, bare) for key in ("seconds", "cpu_s"))
    return [*lines, f"| **until ready** | {' | '.join(cells)} |"]


def write(report: Mapping[str, Any], folder: Path) -> None:
    """Write into `folder`/performance.md."""
    ours, bare = report["sides"]
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    ratios = [sum(side["seconds"]) / sum(bare["seconds"]) for side in (ours,)]
    lines = [
        f"The fastest of {report['rounds']} starts of each side, in turn. {machine}.",
        "",
        *table(report),
        "",
        f"{ratios[0]:.2f} times the seconds of bare Ray Serve, and"
        f" {sum(ours['cpu_s']) / sum(bare['cpu_s']):.2f} times its CPU seconds.",
    ]
    if demo := report.get("demo_s"):
        lines.append(f"`scripts/demo` took {demo:.1f} s to paint its picture and stop.")
    write_section(folder / "performance.md", "start", "\n".join(lines))
