"""Every metric of ours, in one place: what the generators and the edge record, and what monitoring/ draws.

They go through Ray's metrics, so each node's metrics port exports them under `ray_` and this name, counters
with `_total` behind it, each with the tags `application`, `deployment` and `replica` of its replica, and
those of a generator with its `model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0)
ROWS = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)


@dataclass(frozen=True)
class Metric:
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    tags: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = SECONDS

    @property
    def exported(self) -> str:
        """Return the name of its series in Prometheus; of a histogram, of its buckets."""
        suffix = {"counter": "_total", "gauge": "", "histogram": "_bucket"}[self.kind]
        return f"ray_{self.name}{suffix}"


QUEUE_WAIT = Metric(
    "scenewright_queue_wait_seconds", "histogram", "From a layer's arrival at its replica to its first act."
)
STAGE = Metric(
    "scenewright_stage_seconds",
    "histogram",
    "A layer's encode, denoise and decode, and a scene's merge and output.",
    ("stage",),
)
STEP = Metric("scenewright_step_seconds", "histogram", "One denoising step of a layer, as it was shared.")
BATCH_ROWS = Metric(
    "scenewright_batch_rows",
    "histogram",
    "Rows of the largest forward in a layer's step; most models have two for a guided layer.",
    boundaries=ROWS,
)
BUSY = Metric("scenewright_busy_seconds", "counter", "Time in which a replica had a layer to paint.")
DEVICE_SECONDS = Metric(
    "scenewright_device_seconds",
    "counter",
    "The device's time by tenant: each one's share of every forward, answered or not.",
    ("tenant",),
)
JOULES = Metric("scenewright_joules", "counter", "Energy of the replica's GPU, where NVML counts it.")
BACKLOG = Metric("scenewright_backlog_seconds", "gauge", "Work that a replica holds, in seconds of itself.")
LAYERS = Metric(
    "scenewright_layers",
    "counter",
    "Layers by outcome: painted, cached, degraded, failed, cancelled.",
    ("outcome",),
)
STEPS = Metric("scenewright_steps", "counter", "Denoising steps, of all layers.")
WASTED_STEPS = Metric(
    "scenewright_wasted_steps", "counter", "Steps of layers that nobody got: failed, cancelled, tried again."
)
MODEL_LOAD = Metric(
    "scenewright_model_load_seconds", "gauge", "From a replica's start to its warm-up picture."
)
COMPILED = Metric(
    "scenewright_background_forwards",
    "gauge",
    "Forwards that compile: auto compiles in the background: compiled, waiting, failed, slower.",
    ("state",),
)
MEMORY = Metric(
    "scenewright_memory_bytes", "gauge", "Most resident memory that a generator's process has had."
)
REQUESTS = Metric(
    "scenewright_requests", "counter", "HTTP requests by route and status.", ("route", "status")
)
LATENCY = Metric(
    "scenewright_request_seconds", "histogram", "From the request to its whole answer.", ("route",)
)
BRANCH_SKEW = Metric(
    "scenewright_branch_skew_seconds", "histogram", "What a scene's earlier layer waited for the later."
)
DEGRADED = Metric(
    "scenewright_degraded", "counter", "Responses that are not as requested, and declare it.", ("route",)
)
REJECTED = Metric(
    "scenewright_rejected", "counter", "Requests turned away for want of room: 429, 503 and 507.", ("status",)
)
RATE_LIMITED = Metric(
    "scenewright_rate_limited",
    "counter",
    "Requests over their tenant's own limits, by which: rate, budget, concurrent.",
    ("reason", "tenant"),
)
DAMAGED_PICTURES = Metric(
    "scenewright_damaged_pictures",
    "counter",
    "Kept pictures found damaged on reading, by outcome: repainted, gone.",
    ("outcome",),
)
CONTENT_REFUSED = Metric(
    "scenewright_content_refused", "counter", "Answers 422 content_refused, by route.", ("route",)
)
JUDGED = Metric(
    "scenewright_judged",
    "counter",
    "Pictures that were judged before they were given out, by outcome: passed, flagged, refused.",
    ("outcome",),
)
FREE_BYTES = Metric(
    "scenewright_free_bytes",
    "gauge",
    "Free on the fuller of the disks that hold jobs and their pictures, where they are this machine's.",
)

WEBHOOKS = Metric(
    "scenewright_webhooks",
    "counter",
    "Attempts to deliver webhooks by outcome: delivered, retried, failed (given up).",
    ("outcome",),
)

GENERATOR = (
    QUEUE_WAIT,
    STAGE,
    STEP,
    BATCH_ROWS,
    BUSY,
    DEVICE_SECONDS,
    JOULES,
    BACKLOG,
    LAYERS,
    STEPS,
    WASTED_STEPS,
    MODEL_LOAD,
    COMPILED,
    MEMORY,
)
EDGE = (
    REQUESTS,
    LATENCY,
    STAGE,
    BRANCH_SKEW,
    DEGRADED,
    REJECTED,
    RATE_LIMITED,
    CONTENT_REFUSED,
    DAMAGED_PICTURES,
)
MERGER = (JUDGED,)
WORKER = (FREE_BYTES, WEBHOOKS)


class Recorder:
    """Record one replica's metrics. Made inside of the replica: Ray takes its tags from where it is made."""

    def __init__(self, metrics: tuple[Metric, ...], model: str = "") -> None:
        """Make the metrics. `model`: the id of a generator's model."""
        from ray.serve import metrics as ray_metrics

        makers: dict[str, Any] = {
            "counter": ray_metrics.Counter,
            "gauge": ray_metrics.Gauge,
            "histogram": ray_metrics.Histogram,
        }
        self._made: dict[str, Any] = {}
        for metric in metrics:
            # Empty at the edge: one name has the same labels wherever it is recorded.
            options: dict[str, Any] = {"description": metric.description, "tag_keys": (*metric.tags, "model")}
            if metric.kind == "histogram":
                options["boundaries"] = list(metric.boundaries)
            self._made[metric.name] = makers[metric.kind](metric.name, **options)
            self._made[metric.name].set_default_tags({"model": model})

    def add(self, metric: Metric, amount: float = 1.0, **tags: str) -> None:
        """Add to a counter. Skip zero: Ray rejects zero increments."""
        if amount > 0:
            self._made[metric.name].inc(amount, tags=tags or None)

    def set(self, metric: Metric, value: float, **tags: str) -> None:
        self._made[metric.name].set(value, tags=tags or None)

    def observe(self, metric: Metric, value: float, **tags: str) -> None:
        self._made[metric.name].observe(value, tags=tags or None)

    def observe_stages(self, seconds: Mapping[str, float]) -> None:
        for stage, value in seconds.items():
            self.observe(STAGE, value, stage=stage)
