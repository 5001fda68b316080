"""A metrics recorder that keeps the recorded values, for tests to read."""

from __future__ import annotations

from serve.telemetry.metrics import Metric, Recorder

Recorded = list[tuple[str, float, tuple[str, ...]]]


class Noted:
    """Keep each value of the `allowed` metrics; any other metric fails the test."""

    def __init__(self, allowed: tuple[Metric, ...], model: str = "") -> None:
        self.allowed = allowed
        self.model = model
        self.notes: Recorded = []

    def add(self, metric: Metric, amount: float = 1.0, **tags: str) -> None:
        assert metric in self.allowed
        assert set(tags) == set(metric.tags)
        if amount > 0:
            self.notes.append((metric.name, amount, tuple(tags.values())))

    set = observe = add
    observe_stages = Recorder.observe_stages

    def of(self, metric: Metric) -> list[float]:
        return [value for name, value, _ in self.notes if name == metric.name]

    def tags(self, metric: Metric) -> list[tuple[str, ...]]:
        return [tags for name, _, tags in self.notes if name == metric.name]
