"""Write the peers' section of docs/performance.md, from the summaries of scripts/bench peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.pages.bars import bars
from bench.pages.sections import write_section
from loadtest.analysis.summary import Window
from loadtest.traffic.record import Record

SHORT_STEPS = 8


@dataclass(frozen=True)
class Figures:
    """The figures of one server.

    `short` means requests of at most SHORT_STEPS steps. Latencies are those under Poisson arrivals, in
    seconds, or None if nothing completed. Steps are those of either layer.
    """

    saturated_rps: float
    saturated_steps_s: float
    offered_rps: float
    answered: int
    answered_short: int
    mean_s: float | None
    p95_s: float | None
    short_p95_s: float | None
    failed: int
    reported: list[str]
    machine: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """The summary of a `loadtest run`, its requests, and its measured window."""

    summary: dict[str, Any]
    records: Sequence[Record]
    window: Window

    def good(self, at: Callable[[Record], float]) -> list[Record]:
        """Return the correctly completed requests whose time `at` lies in the measured window."""
        return [each for each in self.records if each.ok and self.window.holds(at(each))]


def figures_of(saturated: Run, poisson: Run) -> Figures:
    """Summarise a closed loop, for its throughput, and Poisson arrivals, for their latency."""
    latency = poisson.summary["latency_s"] or {}
    done = saturated.good(lambda each: each.done_s)
    good = poisson.good(lambda each: each.intended_s)
    shorts = [each.latency_s for each in good if steps_of(each) <= SHORT_STEPS]
    runs = (saturated.summary, poisson.summary)
    degraded = sum(each.degraded for each in (*done, *good))
    return Figures(
        saturated_rps=saturated.summary["throughput_rps"],
        saturated_steps_s=sum(map(steps_of, done)) / saturated.window.duration_s,
        offered_rps=poisson.summary["offered_rps"],
        answered=len(good),
        answered_short=len(shorts),
        mean_s=latency.get("mean"),
        p95_s=latency.get("p95"),
        short_p95_s=float(np.percentile(shorts, 95)) if shorts else None,
        failed=sum(sum(run["errors"].values()) for run in runs),
        reported=[
            *(f"INVALID: {reason}" for run in runs for reason in run["invalid_because"]),
            *([f"{degraded} degraded"] if degraded else []),
        ],
        machine=poisson.summary["machine"],
    )


def steps_of(record: Record) -> int:
    """Return the steps of a request: the mix names its requests by them."""
    return int(record.entry.split()[0])


def write(figures: Mapping[str, Figures], bare: Mapping[str, float] | None, users: int, folder: Path) -> None:
    """Write into `folder`/performance.md, and its plots into `folder`/pictures."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    plots = {
        "peers": ("Steps per second, saturated", {n: each.saturated_steps_s for n, each in figures.items()}),
        "peers-short": (
            "p95 of short requests, seconds",
            {n: each.short_p95_s for n, each in figures.items() if each.short_p95_s is not None},
        ),
    }
    for name, (title, bar) in plots.items():
        (pictures / f"performance-{name}.svg").write_text(bars(title, bar))
    machine = next(iter(figures.values())).machine
    lines = [
        f"{users} users in a closed loop, then Poisson arrivals. Machine:"
        f" {', '.join(f'{name} {value}' for name, value in machine.items())}.",
        "",
        *(f"![{title}](pictures/performance-{name}.svg)" for name, (title, _) in plots.items()),
        "",
        "| server | saturated, scenes/min | steps/s | Poisson, offered/min | mean s | p95 s |"
        " p95 s of <= 8 steps | completed, of these short | failed | |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(name, each) for name, each in figures.items()),
    ]
    if bare is not None:
        alone = f"{60 * bare['throughput_rps']:.1f} | {bare['steps_s']:.1f}"
        lines.append(f"| the bare engines: one process, no merging | {alone} | | | | | | | |")
    write_section(folder / "performance.md", "peers", "\n".join(lines))


def _row(name: str, each: Figures) -> str:
    cells = [name, f"{60 * each.saturated_rps:.1f}", f"{each.saturated_steps_s:.1f}"]
    cells += [f"{60 * each.offered_rps:.1f}"]
    cells += ["" if it is None else f"{it:.2f}" for it in (each.mean_s, each.p95_s, each.short_p95_s)]
    cells += [f"{each.answered}, {each.answered_short}", str(each.failed), "; ".join(each.reported)]
    return "| " + " | ".join(cells) + " |"
