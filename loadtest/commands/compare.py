from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..analysis.comparison import Figure, differing_tests
from ..analysis.comparison import compare as compared
from .parameters import FiniteRange, NewFile
from .run_results import INVALID, MET, MISSED, save

SUMMARY = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("first", type=SUMMARY)
@click.argument("second", type=SUMMARY)
@click.option(
    "--tolerance",
    type=FiniteRange(0, 1),
    default=0.05,
    show_default=True,
    help="Share by which a latency may rise.",
)
@click.option("--out", type=NewFile(), help="Write the comparison to this file, as JSON.")
def compare(first: Path, second: Path, tolerance: float, out: Path | None) -> None:
    """Compare two runs: is SECOND worse than FIRST? Both are summaries that `run --out` wrote.

    \b
      python -m loadtest compare before.json after.json

    Each figure comes with a 95% bootstrap interval. Exits 1 if a figure is surely worse by more than the
    tolerance, 3 if a run is INVALID.
    """
    summaries = [_read(file) for file in (first, second)]
    for file, summary in zip((first, second), summaries, strict=True):
        if not summary["valid"]:
            click.echo(f"{file} is INVALID: {'; '.join(summary['invalid_because'])}")
            sys.exit(INVALID)
    differing = differing_tests(*summaries)
    if differing:
        click.echo(f"note: the runs are not the same test: {', '.join(differing)} differ")
    figures = compared(summaries[0], summaries[1], tolerance)
    save({"figures": [figure.as_json() for figure in figures], "differing": differing}, out)
    if not figures:
        raise click.UsageError("these runs have too few responses to be compared")
    for figure in figures:
        click.echo(_line(figure))
    sys.exit(MISSED if any(figure.verdict == "worse" for figure in figures) else MET)


def _line(figure: Figure) -> str:
    interval = figure.interval
    if figure.name == "ok":
        low, high = 100 * interval.low, 100 * interval.high
        points = f"{100 * interval.estimate:+.2f} points ({low:+.2f} to {high:+.2f})"
        return (
            f"ok    {100 * figure.first:8.2f} % → {100 * figure.second:8.2f} %   {points}   {figure.verdict}"
        )
    change, low, high = (100 * (value - 1) for value in (interval.estimate, interval.low, interval.high))
    return (
        f"{figure.name:5} {figure.first:8.3f} s → {figure.second:8.3f} s   "
        f"{change:+.1f}% ({low:+.1f}% to {high:+.1f}%)   {figure.verdict}"
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8-sig"))
        summary["valid"], summary["series"]["code"]
    except OSError as error:
        raise click.UsageError(f"{click.format_filename(file)} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{click.format_filename(file)} is not a summary of `loadtest run --out`"
        raise click.UsageError(message) from error
    return summary
