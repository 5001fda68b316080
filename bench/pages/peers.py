"""The peers' part of docs/performance.md, from the summaries of scripts/bench peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .bars import bars
from .sections import write_section


def write(summaries: dict[str, dict[str, Any]], load: list[str], steps: int, folder: Path) -> None:
    """Into `folder`/performance.md, and its plot into `folder`/pictures."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    rates = {name: 60 * summary["throughput_rps"] for name, summary in summaries.items()}
    (pictures / "performance-peers.svg").write_text(bars("Scenes a minute", rates))
    machine = next(iter(summaries.values()))["machine"]
    lines = [
        f"{steps} steps a layer; `loadtest run {' '.join(load)}`. Machine:"
        f" {', '.join(f'{name} {value}' for name, value in machine.items())}.",
        "",
        "![Scenes a minute](pictures/performance-peers.svg)",
        "",
        "| server | good | failed | scenes/min | p50 s | p95 s | |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, summary) for name, summary in summaries.items()),
    ]
    write_section(folder / "performance.md", "peers", "\n".join(lines))


def _row(name: str, summary: dict[str, Any]) -> str:
    latency = summary["latency_s"] or {}
    cells = [name, summary["ok"], sum(summary["errors"].values()), f"{60 * summary['throughput_rps']:.1f}"]
    cells += [f"{latency[at]:.2f}" if at in latency else "" for at in ("p50", "p95")]
    cells.append("" if summary["valid"] else "INVALID: " + "; ".join(summary["invalid_because"]))
    return "| " + " | ".join(map(str, cells)) + " |"
