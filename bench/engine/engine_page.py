"""Write the step engine's part of docs/performance.md, from the report of scripts/bench engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.pages.bars import bars
from bench.pages.sections import write_section

HEADS = {
    "pictures_per_s": "pictures/s",
    "mean_s": "mean s",
    "p95_s": "p95 s",
    "short_mean_s": "mean of <= 8 steps, s",
    "long_mean_s": "mean of 50 steps, s",
    "overhead_percent": "overhead",
}
ENGINE, PIPELINES = "step engine", "step engine, pipelines"
CLOCKS = {"cpu": "the process's own CPU time", "wall": "the wall clock"}
TITLES = {"saturated": "Saturated", "poisson": "Poisson arrivals at 0.8 of what stock can serve"}


def write(report: dict[str, Any], folder: Path) -> None:
    """Write into `folder`/performance.md, and its plots into `folder`/pictures.

    Compiled models have a separate section, and so does a report with the wall clock only.
    """
    name = "engine-compiled" if report["compiled"] else "engine"
    if report.get("painter") == "pipeline":
        name += "-dit" if report["model"] == "random-dit" else "-pipelines"
    if list(report["runs"]) == ["wall"]:
        name += "-wall"
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    clock = next(iter(report["runs"]))
    plots = {
        f"{name}-saturated": ("saturated", "pictures_per_s", "Pictures per second, saturated"),
        f"{name}-waiting": ("poisson", "mean_s", "Mean seconds from arrival to picture, Poisson at 0.8"),
        f"{name}-short": (
            "poisson",
            "short_mean_s",
            "Mean seconds of requests of 8 steps or fewer, Poisson at 0.8",
        ),
    }
    plots = {plot: what for plot, what in plots.items() if what[0] in report["runs"][clock]}
    for plot, (run, column, title) in plots.items():
        rows = report["runs"][clock][run]
        figures = {contender: row[column] for contender, row in rows.items() if row[column] is not None}
        (pictures / f"{plot}.svg").write_text(bars(f"{title} ({CLOCKS[clock]})", figures))
    machine = ", ".join(f"{word} {value}" for word, value in report["machine"].items())
    width, height = report["size"]
    lines = [
        f"{report['model']} at {width}x{height}, {report['dtype']}, one thread, {report['cap_rows']} rows a"
        f" forward; {report['counts']['saturated']} requests at once"
        + (
            f", then {report['counts']['poisson']} with Poisson arrivals"
            if report["counts"]["poisson"]
            else ""
        )
        + f". Machine: {machine}.",
        "",
        f"Time of a forward by rows: {_forwards(report['ms_by_rows'])}.",
        "",
        *(f"![{title}](pictures/{plot}.svg)" for plot, (_, _, title) in plots.items()),
    ]
    for kind, runs in report["runs"].items():
        for run, rows in runs.items():
            lines += ["", f"**{TITLES[run]}, by {CLOCKS[kind]}**", "", *_table(rows)]
    write_section(folder / "performance.md", name, "\n".join(lines))


def _forwards(ms_by_rows: dict[Any, float]) -> str:
    return ", ".join(f"{rows}: {ms:.0f} ms ({ms / int(rows):.1f} per row)" for rows, ms in ms_by_rows.items())


def _table(rows: dict[str, dict[str, float | None]]) -> list[str]:
    """Return the lines of a table. A column without figures is left out: no request had so many steps."""
    heads = {
        column: head
        for column, head in HEADS.items()
        if any(row.get(column) is not None for row in rows.values())
    }
    stock = rows["stock, one at a time"]
    reported = [
        f"| {name} | " + " | ".join(_cell(column, row.get(column)) for column in heads) + " |"
        for name, row in rows.items()
    ]
    ratios = [
        f"| {name} / stock | "
        + " | ".join(_ratio(row.get(column), stock.get(column)) for column in heads)
        + " |"
        for name, row in rows.items()
        if name.startswith("step engine")
    ]
    if PIPELINES in rows:
        one, other = rows[PIPELINES], rows[ENGINE]
        cells = [
            "" if column == "overhead_percent" else _ratio(one.get(column), other.get(column))
            for column in heads
        ]
        ratios.append(f"| {PIPELINES} / {ENGINE} | " + " | ".join(cells) + " |")
    return [
        "| | " + " | ".join(heads.values()) + " |",
        "|---" * (len(heads) + 1) + "|",
        *reported,
        *ratios,
    ]


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}%" if column == "overhead_percent" else f"{value:.3g}"


def _ratio(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f}" if one and other else ""
