"""Alert rules: parsed, checked against the metrics that exist, and run by promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve.telemetry.metrics import (
    EDGE,
    GENERATOR,
    LATENCY,
    MERGER,
    WORKER,
)
from tests.support.prometheus import program
from tests.support.promql import selectors

MONITORING = Path(__file__).parents[2] / "monitoring"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
EXPORTED = {metric.exported for metric in GENERATOR + EDGE + WORKER + MERGER}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_rule_is_promql_over_metrics_that_exist(rule: dict[str, Any]) -> None:
    for selector in selectors(rule["expr"]):
        known = selector.name in EXPORTED | RECORDED or selector.name.startswith(("ray_serve_", "ray_node_"))
        assert known, selector.name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_and_how_urgent(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"].keys() == {"summary", "description"}


def test_a_burn_is_seen_over_a_long_and_a_short_window() -> None:
    burning = [alert for alert in ALERTS if "Burn" in alert["alert"]]
    assert len(burning) == 3
    for alert in burning:
        assert len({selector.name for selector in selectors(alert["expr"])}) == 2


def test_the_objective_s_latency_is_a_bucket_s_bound() -> None:
    """The objective is a bucket's bound: values between two bounds cannot be read off the histogram."""
    bounds = {
        matcher.value
        for rule in RULES
        for selector in selectors(rule["expr"])
        if selector.name == LATENCY.exported
        for matcher in selector.matchers.matchers
        if matcher.name == "le"
    }
    assert bounds - {"+Inf"} <= {str(bound) for bound in LATENCY.boundaries}


@pytest.mark.parametrize(
    "what",
    [
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts_test.yaml"),
        ("check", "config", "prometheus.yaml"),
    ],
    ids=str,
)
def test_promtool(what: tuple[str, ...]) -> None:
    result = subprocess.run([program("promtool"), *what], cwd=MONITORING, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
