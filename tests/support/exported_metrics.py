"""Read the metrics that a service exports, and find the dashboard panels that they leave empty."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import promql_parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from monitoring.panels import NEVER_EMPTY, ROWS
from tests.support.promql import selectors

EXPORTED_WITHIN_S = 90.0


Series = set[tuple[str, frozenset[tuple[str, str]]]]
"""Metric names, each with its labels and their values."""


def scrape(*addresses: str) -> Series:
    """Return every series that is exported at these addresses."""
    found = (sample for address in addresses for sample in samples(address))
    return {(sample.name, frozenset(sample.labels.items())) for sample in found}


def wait_for_series(missing: Callable[[Series], object], *addresses: str) -> Series:
    """Return all series scraped so far, as Prometheus keeps them, once nothing is missing.

    If a report is late, Ray exports no gauge until the next one.
    """
    series = scrape(*addresses)
    deadline = time.monotonic() + EXPORTED_WITHIN_S
    while absent := missing(series):
        assert time.monotonic() < deadline, absent
        time.sleep(0.5)
        series |= scrape(*addresses)
    return series


def samples(address: str) -> list[Sample]:
    text = httpx.get(f"http://{address}/metrics", trust_env=False).text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def selects(selector: Any, series: Series) -> bool:
    matchers = selector.matchers.matchers
    assert all(matcher.op == promql_parser.MatchOp.Equal for matcher in matchers)
    wanted = {(matcher.name, matcher.value) for matcher in matchers}
    return any(name == selector.name and wanted <= labels for name, labels in series)


def empty_panels(series: Series) -> list[str]:
    return [
        f"{panel.title}: {selector.name}"
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
        if NEVER_EMPTY not in query.expression
        for selector in selectors(query.expression)
        if not selects(selector, series)
    ]
