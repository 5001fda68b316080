"""What Ray really exports of a service at work: every panel has its series, and every series its labels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import promql_parser
import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from monitoring.panels import NEVER_EMPTY, ROWS
from serve import local_cluster
from serve.config import ServiceConfig

from .conftest import simulated_config

QUICK = {"RAY_metrics_report_interval_ms": "500"}
AUTOSCALED = {"min_replicas": 1, "max_replicas": 1}
EXPORTED_WITHIN_S = 60.0

Series = list[tuple[str, dict[str, str]]]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    config = simulated_config().model_dump()
    for kind in ("character", "background"):
        config[kind]["replicas"] |= {"num_replicas": None, "autoscaling": AUTOSCALED}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in QUICK.items():
            environment.setenv(name, value)
        validated = ServiceConfig.model_validate(config)
        with local_cluster.running(validated, "127.0.0.1", local_cluster.free_port()) as address:
            yield address


def scrape() -> Series:
    """Every series of every node."""
    addresses = [f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for node in ray.nodes()]
    return [(sample.name, sample.labels) for address in addresses for sample in samples(address)]


def samples(address: str) -> list[Sample]:
    text = httpx.get(f"http://{address}/metrics", trust_env=False).text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def selects(selector: Any, series: Series) -> bool:
    matchers = selector.matchers.matchers
    assert all(matcher.op == promql_parser.MatchOp.Equal for matcher in matchers)
    wanted = {matcher.name: matcher.value for matcher in matchers}
    return any(name == selector.name and wanted.items() <= labels.items() for name, labels in series)


def selectors(node: Any) -> Iterator[Any]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    else:
        for name in ("lhs", "rhs", "expr", "args"):
            inner = getattr(node, name, None) or []
            for child in inner if isinstance(inner, list) else [inner]:
                yield from selectors(child)


def empty_panels(series: Series) -> list[str]:
    return [
        f"{panel.title}: {selector.name}"
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
        if NEVER_EMPTY not in query.expression
        for selector in selectors(promql_parser.parse(query.expression.replace("$__rate_interval", "1m")))
        if not selects(selector, series)
    ]


def test_no_panel_is_empty(service: str) -> None:
    with httpx.Client(base_url=service, timeout=60, trust_env=False) as http:
        scene = {"character": "a knight", "background": "a castle"}
        assert http.post("/v1/scenes", json=scene).status_code == 200
        assert http.post("/v1/characters", json={"prompt": "a knight"}).status_code == 200
        assert http.post("/v1/scenes", json={}).status_code == 422
        with suppress(httpx.ReadTimeout):
            http.post("/v1/characters", json={"prompt": "x", "num_inference_steps": 150}, timeout=0.5)
    # All that was scraped, as Prometheus keeps it: between two reports that are late, Ray shows no gauge.
    series = scrape()
    deadline = time.monotonic() + EXPORTED_WITHIN_S
    while empty := empty_panels(series):
        assert time.monotonic() < deadline, empty
        time.sleep(0.5)
        series += scrape()
    statuses = {labels["status"] for name, labels in series if name == "ray_scenewright_requests_total"}
    assert {"200", "422"} <= statuses
    outcomes = {
        (labels["deployment"], labels["outcome"])
        for name, labels in series
        if name == "ray_scenewright_layers_total"
    }
    assert {("Character", "painted"), ("Background", "painted"), ("Character", "cancelled")} <= outcomes
    bounds = {labels["le"] for name, labels in series if name == "ray_scenewright_request_seconds_bucket"}
    assert "15.0" in bounds  # monitoring/alerts.yaml reads it off.
