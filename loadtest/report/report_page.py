"""Write the report of one run, soak, step or chaos: everything in one HTML file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from . import latencies, rates, service_plots
from .html_tables import latency_table, seconds, stage_table, table

Figure = tuple[str | None, str]
"""A plot, or None, and its caption."""


def run_page(summary: Mapping[str, Any]) -> str:
    series, faults = summary["series"], summary.get("faults", [])
    plots: list[Figure] = [
        (
            latencies.latency_over_time(series, faults),
            "Each request at its intended send time, from which its latency counts.",
        ),
        (rates.throughput(series), "Offered load and responses over time."),
        (latencies.distribution(series), "Good responses in the measured time."),
        (latencies.percentiles(series), "The tail: each step to the right is a tenth of the requests."),
        (
            service_plots.stages(summary["stages_s"]),
            "p50 in front of p95, as the service reports it in Server-Timing.",
        ),
        (
            service_plots.replicas(summary.get("replicas", [])),
            "Running replicas, as the cluster reports them.",
        ),
        (
            service_plots.memory_plot(summary.get("memory", {}).get("seen", [])),
            "Summed over the service's processes.",
        ),
    ]
    parts = [
        _heading("Load test", summary),
        _tiles(summary),
        _notes(summary),
        _figures(plots),
        "<h2>By kind of request</h2>",
        latency_table({**summary["entries"], **summary["routes"]}),
        _errors(summary["errors"]),
        _faults(faults),
        "<h2>Stages</h2>" + stage_table(summary["stages_s"]) if summary["stages_s"] else "",
        _provenance(summary),
    ]
    return page("Load test", parts)


def search_page(found: Mapping[str, Any]) -> str:
    """Write the page of `find`: the highest rate that meets the objective, and each probe on the way."""
    rate = found["rate_rps"]
    verdict = f"{rate:.3g} requests per second meet" if rate is not None else "no rate meets"
    heading = f"<h1>{escape(verdict)} {escape(found['slo'])}</h1>"
    plots: list[Figure] = [
        (rates.load_curve(found["probes"]), "Every probe of the search."),
        (rates.latency_curve(found["probes"]), "Latency as the load rises."),
    ]
    rows = [
        [
            probe["purpose"],
            f"{probe['rate_rps']:.3g}",
            f"{probe['offered_rps']:.3g}",
            f"{probe['goodput_rps']:.3g}",
            seconds(probe["latency_s"]["p95"] if probe["latency_s"] else None),
            "met" if probe["met"] else "missed",
        ]
        for probe in found["probes"]
    ]
    head = ["probe", "rate", "offered", "goodput", "p95", "objective"]
    return page(
        "Highest rate", [heading, _figures(plots), "<h2>Probes</h2>", table(head, rows), _provenance(found)]
    )


def page(title: str, parts: Iterable[str]) -> str:
    style = (files("loadtest.report") / "style.css").read_text()
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _heading(title: str, summary: Mapping[str, Any]) -> str:
    slo = summary.get("slo")
    if not summary["valid"]:
        verdict, kind = "INVALID", "invalid"
    elif slo is None:
        verdict, kind = "no objective set", ""
    else:
        verdict, kind = ("objective met", "met") if slo["met"] else ("objective missed", "missed")
    config = summary["config"]
    return (
        f'<h1>{title} <span class="verdict {kind}">{verdict}</span></h1>'
        f'<p class="soft">{escape(str(config.get("url", "")))} · {escape(summary.get("began", ""))}'
        f"{' · ' + escape(slo['text']) if slo else ''}</p>"
    )


def _tiles(summary: Mapping[str, Any]) -> str:
    latency = summary["latency_s"] or {}
    completed = summary["requests"] - summary["cancelled"]
    tiles = {
        "requests": f"{summary['requests']:,}",
        "ok": f"{100 * summary['ok'] / completed:.4g}%" if completed else "-",
        "offered": f"{summary['offered_rps']:.3g}/s",
        "throughput": f"{summary['throughput_rps']:.3g}/s",
        "goodput": f"{summary['goodput_rps']:.3g}/s",
        **{name: seconds(latency.get(name)) for name in ("p50", "p95", "p99", "max")},
        "send lag p99": seconds(summary["send_lag_s"].get("p99")),
    }
    return f'<div class="tiles">{"".join(_tile(*tile) for tile in tiles.items())}</div>'


def _tile(name: str, value: str) -> str:
    return f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'


def _notes(summary: Mapping[str, Any]) -> str:
    notes = [f"INVALID: {why}" for why in summary["invalid_because"]] + list(summary["warnings"])
    return f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else ""


def _figures(plots: Iterable[Figure]) -> str:
    drawn = [f"<figure>{svg}<figcaption>{escape(words)}</figcaption></figure>" for svg, words in plots if svg]
    return f'<div class="plots">{"".join(drawn)}</div>'


def _errors(errors: Mapping[str, int]) -> str:
    rows = [[code, str(count)] for code, count in errors.items()]
    return "<h2>Failures</h2>" + table(["code", "requests"], rows) if rows else ""


def _faults(faults: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{f['what']}: {f.get('result', '')}",
            f"{f['at_s']:.1f} s",
            str(f["requests"]),
            str(f["failed"]),
            seconds(f["slowest_s"]),
        ]
        for f in faults
    ]
    return (
        "<h2>Faults</h2>" + table(["fault", "at", "requests in flight", "failed", "slowest"], rows)
        if rows
        else ""
    )


def _provenance(summary: Mapping[str, Any]) -> str:
    shown = {"machine": summary["machine"], "config": summary["config"]}
    return f"<h2>Machine and configuration</h2><pre>{escape(json.dumps(shown, indent=1))}</pre>"
