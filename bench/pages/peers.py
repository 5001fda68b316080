"""The peers' part of docs/performance.md, from the summaries of scripts/bench peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.record import Record

from .bars import bars
from .sections import write_section

SHORT_STEPS = 8
NAN = float("nan")


@dataclass(frozen=True)
class Figures:
    """Of one server. `short`: the requests of so few steps; latencies are those under Poisson arrivals."""

    saturated_rps: float
    offered_rps: float
    mean_s: float
    p95_s: float
    short_p95_s: float
    scenes: int
    failed: int
    invalid_because: list[str]
    machine: dict[str, Any] = field(default_factory=dict)


def figures_of(saturated: dict[str, Any], poisson: dict[str, Any], records: Sequence[Record]) -> Figures:
    """Of two runs of `loadtest run`, a closed loop and one of Poisson arrivals with its measured requests."""
    latency = poisson["latency_s"] or {}
    shorts = [each.latency_s for each in records if each.ok and int(each.entry.split()[0]) <= SHORT_STEPS]
    return Figures(
        saturated_rps=saturated["throughput_rps"],
        offered_rps=poisson["offered_rps"],
        mean_s=latency.get("mean", NAN),
        p95_s=latency.get("p95", NAN),
        short_p95_s=float(np.percentile(shorts, 95)) if shorts else NAN,
        scenes=saturated["ok"] + poisson["ok"],
        failed=sum(saturated["errors"].values()) + sum(poisson["errors"].values()),
        invalid_because=[*saturated["invalid_because"], *poisson["invalid_because"]],
        machine=poisson["machine"],
    )


def write(figures: Mapping[str, Figures], bare_rps: float, users: int, folder: Path) -> None:
    """Into `folder`/performance.md, and its plots into `folder`/pictures."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    plots = {
        "peers": ("Scenes a minute, saturated", {name: 60 * f.saturated_rps for name, f in figures.items()}),
        "peers-short": ("p95 of short requests, seconds", {n: f.short_p95_s for n, f in figures.items()}),
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
        "| server | saturated, scenes/min | Poisson, scenes/min | mean s | p95 s | p95 s of <= 8 steps |"
        " scenes | failed | |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(name, each) for name, each in figures.items()),
        f"| the bare engines | {60 * bare_rps:.1f} | | | | | | | |",
    ]
    write_section(folder / "performance.md", "peers", "\n".join(lines))


def _row(name: str, each: Figures) -> str:
    cells = [name, f"{60 * each.saturated_rps:.1f}", f"{60 * each.offered_rps:.1f}"]
    cells += [f"{value:.2f}" for value in (each.mean_s, each.p95_s, each.short_p95_s)]
    verdict = "INVALID: " + "; ".join(each.invalid_because) if each.invalid_because else ""
    return "| " + " | ".join([*cells, str(each.scenes), str(each.failed), verdict]) + " |"
