"""Write the results of a run: files, text on stdout, and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from ..report.html_tables import seconds
from ..report.report_page import run_page

MET, MISSED, INVALID = 0, 1, 3
"""The exit codes. 2 is click's own, for wrong usage."""


def finish(summary: Mapping[str, Any], out: Path | None, html: Path | None) -> NoReturn:
    """Write and report the summary, and exit: 0 met (or no objective), 1 missed or all failed, 3 INVALID."""
    save(summary, out)
    write(run_page(summary), html)
    report(summary)
    sys.exit(exit_code(summary))


def exit_code(summary: Mapping[str, Any]) -> int:
    if not summary["valid"]:
        return INVALID
    if _all_failed(summary):
        return MISSED
    return MET if summary.get("slo", {}).get("met", True) else MISSED


def _all_failed(summary: Mapping[str, Any]) -> bool:
    """Return whether requests were awaited and all failed: that cannot meet any objective."""
    return bool(summary["requests"] > summary["cancelled"]) and not summary["ok"]


def save(document: Mapping[str, Any], out: Path | None) -> None:
    write(json.dumps(document, indent=1) + "\n", out)


def write(text: str, file: Path | None) -> None:
    """Write a file. Raises click.ClickException, such as on a full disk."""
    try:
        if file is not None:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        name = click.format_filename(file or "")
        raise click.ClickException(f"{name} cannot be written: {error.strerror}") from error


def report(summary: Mapping[str, Any]) -> None:
    """Print the summary for people."""
    completed = summary["requests"] - summary["cancelled"]
    share = f" ({100 * summary['ok'] / completed:.4g}%)" if completed else ""
    click.echo(
        f"requests    {summary['requests']}, ok {summary['ok']}{share}, cancelled {summary['cancelled']}"
    )
    click.echo(
        f"per second  offered {summary['offered_rps']:.3g}, completed {summary['throughput_rps']:.3g}, "
        f"goodput {summary['goodput_rps']:.3g}"
    )
    if latency := summary["latency_s"]:
        named = ", ".join(
            f"{name} {seconds(latency[name])}" for name in ("p50", "p90", "p95", "p99", "p999", "max")
        )
        click.echo(f"latency     {named}")
    click.echo(f"send lag    p99 {seconds(summary['send_lag_s'].get('p99'))}")
    for code, count in summary["errors"].items():
        click.echo(f"failed      {count} x {code}")
    for term in summary.get("slo", {}).get("terms", []):
        click.echo(f"objective   {term['term']}: {'met' if term['met'] else 'MISSED'}")
    if _all_failed(summary):
        click.echo("FAILED      no request got a good response")
    for warning in summary["warnings"]:
        click.echo(f"note        {warning}")
    for why in summary["invalid_because"]:
        click.echo(f"INVALID     {why}")
