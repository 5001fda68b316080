"""The replica classes as the cluster runs them: the same classes, with their work recorded as metrics."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.model.registry import card_of
from deployments.errors import NotReady
from deployments.generator import Generator, GeneratorConfig
from deployments.log_file import log_through
from deployments.merger import DEFAULT, Merger, MergerConfig
from deployments.messages import LayerEvent, LayerJob, LayerResult, StepEvent, is_as_requested

from . import metrics
from .energy import EnergyCounter
from .logs import SERVE_LOGGER
from .metrics import Recorder


class ObservedGenerator(Generator):
    """Mixin that records a generator's metrics; list it before the generator among the bases.

    `must_load`: if the model does not load, the replica does not start, and Serve tries again. Otherwise the
    replica reports that in /readyz, gets no work, and retries by itself
    (deployments/diffusion/engine/watchdog.py).
    """

    def __init__(
        self, config: GeneratorConfig, must_load: bool = False, calibrations: str | None = None
    ) -> None:
        began_at = time.monotonic()
        log_through(SERVE_LOGGER)
        super().__init__(config, calibrations)
        readiness = self._engine.readiness()
        if must_load and not readiness.ready:
            raise NotReady(readiness.reason)
        self._recorder = Recorder(metrics.GENERATOR, card_of(config.model).id)
        self._model_load_s = time.monotonic() - began_at
        self._set_gauges()
        self._busy_since: float | None = None
        self._counted_s: dict[str, float] = {}
        self._energy = EnergyCounter()

    async def stream(
        self, job: LayerJob, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[LayerEvent, None]:
        steps, outcome = 0, "cancelled"
        self._begin()
        try:
            async with aclosing(super().stream(job, files)) as events:
                async for event in events:
                    if isinstance(event, StepEvent):
                        steps += 1
                        self._recorder.observe(metrics.BATCH_ROWS, event.batch_rows)
                    elif isinstance(event, LayerResult):
                        requested = "painted" if steps else "cached"
                        outcome = requested if is_as_requested(event.degraded) else "degraded"
                        if steps:
                            self._record_times(event, job.steps)
                    yield event
        except Exception:  # Count any failure and raise it again.
            outcome = "failed"
            raise
        finally:
            useful = job.steps if outcome == "painted" else 0
            self._recorder.add(metrics.LAYERS, outcome=outcome)
            self._recorder.add(metrics.STEPS, steps)
            self._recorder.add(metrics.WASTED_STEPS, max(0, steps - useful))
            self._end()

    def _record_times(self, layer: LayerResult, steps: int) -> None:
        timings = layer.timings
        self._recorder.observe(metrics.QUEUE_WAIT, timings.queue_ms / 1e3)
        self._recorder.observe(metrics.STEP, timings.denoise_ms / 1e3 / steps)
        stages = {"encode": timings.encode_ms, "denoise": timings.denoise_ms, "decode": timings.decode_ms}
        self._recorder.observe_stages({stage: ms / 1e3 for stage, ms in stages.items()})

    def _begin(self) -> None:
        if self._busy_since is None:
            self._busy_since = time.monotonic()

    def _end(self) -> None:
        now = time.monotonic()
        if self._busy_since is not None:
            self._recorder.add(metrics.BUSY, now - self._busy_since)
        self._busy_since = now if self._load_tracker.jobs else None
        self._set_backlog()

    async def check_health(self) -> None:
        # Ray drops a gauge that was not set for two of its reports. Serve calls this often enough.
        self._set_gauges()
        self._count_device()
        await super().check_health()

    def _count_device(self) -> None:
        """Count the device time charged to each tenant, and the energy used, since the last call."""
        for tenant, seconds in self._engine.device_time.by_tenant().items():
            since = seconds - self._counted_s.get(tenant, 0.0)
            self._recorder.add(metrics.DEVICE_SECONDS, since, tenant=tenant)
            self._counted_s[tenant] = seconds
        self._recorder.add(metrics.JOULES, self._energy.joules_since())

    def _set_gauges(self) -> None:
        self._set_backlog()
        self._recorder.set(metrics.MODEL_LOAD, self._model_load_s)
        for state, forwards in self._engine.compile_states.items():
            self._recorder.set(metrics.COMPILED, forwards, state=state)
        self._recorder.set(metrics.MEMORY, _peak_memory_bytes())

    def _set_backlog(self) -> None:
        self._recorder.set(metrics.BACKLOG, self._load_tracker.backlog_s)


def _peak_memory_bytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) if sys.platform == "darwin" else 1024.0 * peak


class ObservedCharacter(ObservedGenerator, Character):
    pass


class ObservedBackground(ObservedGenerator, Background):
    pass


class ObservedMerger(Merger):
    def __init__(self, config: MergerConfig = DEFAULT) -> None:
        super().__init__(config)
        self._recorder = Recorder(metrics.MERGER)

    def note_judged(self, outcome: str) -> None:
        self._recorder.add(metrics.JUDGED, outcome=outcome)
