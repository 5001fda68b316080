"""Metric names state what is measured and its unit, and Ray accepts them."""

from __future__ import annotations

import re

import pytest

from serve.telemetry import metrics
from serve.telemetry.metrics import (
    EDGE,
    GENERATOR,
    MERGER,
    WORKER,
    Metric,
    Recorder,
)

ALL = GENERATOR + EDGE + WORKER + MERGER


@pytest.mark.parametrize("metric", dict.fromkeys(ALL), ids=lambda metric: metric.name)
def test_names_say_what_and_in_which_unit(metric: Metric) -> None:
    assert re.fullmatch(r"scenewright_[a-z_]+", metric.name)
    assert not metric.name.endswith("_total")  # Ray adds this suffix to counters.
    assert metric.description.endswith(".")
    assert not set(metric.tags) & {"application", "deployment", "replica"}
    if metric.kind == "histogram":
        assert list(metric.boundaries) == sorted(set(metric.boundaries))


def test_ray_takes_every_metric() -> None:
    recorder = Recorder(tuple(dict.fromkeys(ALL)))
    recorder.add(metrics.LAYERS, outcome="painted")
    recorder.add(metrics.WASTED_STEPS, 0)  # Ray itself refuses to add zero.
    recorder.set(metrics.BACKLOG, 0.0)
    recorder.observe_stages({"merge": 0.1})
