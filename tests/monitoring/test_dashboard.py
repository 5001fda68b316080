"""The dashboard is the output of its code, and queries only metrics that are recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitoring.dashboard import build
from monitoring.panels import ROWS, Panel
from serve.telemetry.metrics import (
    EDGE,
    GENERATOR,
    MERGER,
    WORKER,
    Metric,
)
from tests.support.promql import selectors

SHIPPED = Path(__file__).parents[2] / "monitoring/grafana-dashboard.json"
PANELS = [panel for row in ROWS for panel in row.panels]
OURS = {metric.exported.removesuffix("_bucket"): metric for metric in GENERATOR + EDGE + WORKER + MERGER}


def ours(name: str) -> Metric | None:
    for suffix in ("", "_bucket", "_sum", "_count"):
        if name.endswith(suffix) and (metric := OURS.get(name.removesuffix(suffix))):
            return metric
    return None


def test_the_shipped_file_is_what_the_code_makes() -> None:
    assert json.loads(SHIPPED.read_text()) == build()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_query_is_promql_over_metrics_that_exist(panel: Panel) -> None:
    for query in panel.queries:
        found = list(selectors(query.expression))
        assert found
        for selector in found:
            assert ours(selector.name) or selector.name.startswith(("ray_serve_", "ray_node_")), selector.name


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_grouping_is_by_labels_that_the_metric_has(panel: Panel) -> None:
    for query in panel.queries:
        names = [selector.name for selector in selectors(query.expression)]
        for metric in filter(None, map(ours, names)):
            for grouped in query.expression.split("by (")[1:]:
                labels = {label.strip() for label in grouped.split(")")[0].split(",")}
                assert labels <= {*metric.tags, "application", "deployment", "replica", "le", "instance"}


def test_every_metric_of_ours_is_drawn() -> None:
    drawn = {
        ours(selector.name)
        for panel in PANELS
        for query in panel.queries
        for selector in selectors(query.expression)
    }
    assert set(OURS.values()) <= drawn


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    panels: list[dict[str, Any]] = build()["panels"]
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
