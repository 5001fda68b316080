"""The Merger as the cluster runs it: the same class, what it judges recorded as a metric."""

from __future__ import annotations

from deployments.merger import DEFAULT, Merger, MergerConfig

from . import metrics
from .metrics import Recorder


class ObservedMerger(Merger):
    def __init__(self, config: MergerConfig = DEFAULT) -> None:
        super().__init__(config)
        self._recorder = Recorder(metrics.MERGER)

    def note_judged(self, outcome: str) -> None:
        self._recorder.add(metrics.JUDGED, outcome=outcome)
