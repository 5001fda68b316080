"""Check the metrics of a working service: every panel has its series, and every series its labels."""

from __future__ import annotations

import httpx
import ray

from tests.support.exported_metrics import (
    Series,
    empty_panels,
    wait_for_series,
)
from tests.support.running_service import EVENTS, SCENE, events

LAYERS = (("Character", "painted"), ("Background", "painted"), ("Character", "cancelled"))


def missing(series: Series) -> list[str]:
    """Name what the panels and this test need but the series lack."""
    needed = [
        *(("ray_scenewright_requests_total", {("status", status)}) for status in ("200", "422")),
        *(
            ("ray_scenewright_layers_total", {("deployment", deployment), ("outcome", outcome)})
            for deployment, outcome in LAYERS
        ),
    ]
    absent = [
        f"{name} {wanted}"
        for name, wanted in needed
        if not any(name == each and wanted <= labels for each, labels in series)
    ]
    return empty_panels(series) + absent


def test_no_panel_is_empty(http: httpx.Client) -> None:
    assert http.post("/v1/scenes", json=SCENE).status_code == 200
    assert http.post("/v1/characters", json={"prompt": "a knight"}).status_code == 200
    assert http.post("/v1/scenes", json={}).status_code == 422
    leaving = {"prompt": "x", "num_inference_steps": 150}
    with http.stream("POST", "/v1/characters", json=leaving, headers=EVENTS) as response:
        assert next(events(response))[0] == "layer.progress"
    addresses = [f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for node in ray.nodes()]
    series = wait_for_series(missing, *addresses)
    bounds = {
        value
        for name, labels in series
        if name == "ray_scenewright_request_seconds_bucket"
        for key, value in labels
        if key == "le"
    }
    assert "15.0" in bounds  # monitoring/alerts.yaml uses this bucket.
