"""Print the dashboard for Grafana: `python -m monitoring.dashboard > monitoring/grafana-dashboard.json`."""

from __future__ import annotations

import json
from typing import Any

from .panels import ROWS, Panel

WIDTH, HEIGHT, COLUMNS = 8, 8, 3
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def build() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    top = 0
    for row in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": WIDTH * COLUMNS, "h": 1},
            }
        )
        top += 1
        for number, panel in enumerate(row.panels):
            place = {"x": WIDTH * (number % COLUMNS), "y": top + HEIGHT * (number // COLUMNS)}
            panels.append(_panel(panel, len(panels) + 1) | {"gridPos": place | {"w": WIDTH, "h": HEIGHT}})
        top += HEIGHT * -(-len(row.panels) // COLUMNS)
    return {
        "uid": "scenewright",
        "title": "Scenewright",
        "tags": ["scenewright", "ray"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
            ]
        },
        "panels": panels,
    }


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
            }
            for index, query in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    print(json.dumps(build(), indent=2))
