"""All our metrics: what the deployments record, and what monitoring/ draws.

They go through Ray's metrics, so each node's metrics port exports them with the prefix `ray_`, and counters
with the suffix `_total`. Each has the tags `application`, `deployment` and `replica` of its replica, and
those of a generator also have its `model`.
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
        """Return the name of the series in Prometheus; for a histogram, that of its buckets."""
        suffix = {"counter": "_total", "gauge": "", "histogram": "_bucket"}[self.kind]
        return f"ray_{self.name}{suffix}"


QUEUE_WAIT = Metric(
    "scenewright_queue_wait_seconds",
    "histogram",
    "Time from a layer's arrival at its replica to the start of its work.",
)
STAGE = Metric(
    "scenewright_stage_seconds",
    "histogram",
    "Time of each stage: a layer's encode, denoise and decode, and a scene's merge and output.",
    ("stage",),
)
STEP = Metric(
    "scenewright_step_seconds",
    "histogram",
    "Time of one denoising step of a layer, in a batch with other layers or alone.",
)
BATCH_ROWS = Metric(
    "scenewright_batch_rows",
    "histogram",
    "Rows of the largest forward in a layer's step; most models use two rows for a guided layer.",
    boundaries=ROWS,
)
BUSY = Metric("scenewright_busy_seconds", "counter", "Time during which a replica had a layer to paint.")
DEVICE_SECONDS = Metric(
    "scenewright_device_seconds",
    "counter",
    "Device time by tenant: its share of every forward, including work without a response.",
    ("tenant",),
)
JOULES = Metric("scenewright_joules", "counter", "Energy used by the replica's GPU, if NVML counts it.")
BACKLOG = Metric(
    "scenewright_backlog_seconds", "gauge", "Work that a replica holds, in seconds of its own time."
)
LAYERS = Metric(
    "scenewright_layers",
    "counter",
    "Layers by outcome: painted, cached, degraded, failed, cancelled.",
    ("outcome",),
)
STEPS = Metric("scenewright_steps", "counter", "Denoising steps of all layers.")
WASTED_STEPS = Metric(
    "scenewright_wasted_steps",
    "counter",
    "Denoising steps of layers that nobody received: failed, cancelled or retried.",
)
MODEL_LOAD = Metric(
    "scenewright_model_load_seconds", "gauge", "Time from a replica's start to its warm-up picture."
)
COMPILED = Metric(
    "scenewright_background_forwards",
    "gauge",
    "Forwards that `compile: auto` handles in the background, by state: compiled, waiting, failed, slower.",
    ("state",),
)
MEMORY = Metric("scenewright_memory_bytes", "gauge", "Peak resident memory of a generator's process.")
REQUESTS = Metric(
    "scenewright_requests", "counter", "HTTP requests by route and status.", ("route", "status")
)
LATENCY = Metric(
    "scenewright_request_seconds", "histogram", "Time from a request to the end of its response.", ("route",)
)
BRANCH_SKEW = Metric(
    "scenewright_branch_skew_seconds",
    "histogram",
    "Time that a scene's first finished layer waited for its last one.",
)
DEGRADED = Metric(
    "scenewright_degraded",
    "counter",
    "Responses that differ from the request, which they declare in X-Degraded.",
    ("route",),
)
REJECTED = Metric(
    "scenewright_rejected", "counter", "Requests refused for lack of capacity: 429, 503 and 507.", ("status",)
)
RATE_LIMITED = Metric(
    "scenewright_rate_limited",
    "counter",
    "Requests over their tenant's limits, by limit: rate, budget, concurrent.",
    ("reason", "tenant"),
)
DAMAGED_PICTURES = Metric(
    "scenewright_damaged_pictures",
    "counter",
    "Stored pictures found damaged when they were read, by outcome: repainted, gone.",
    ("outcome",),
)
CONTENT_REFUSED = Metric(
    "scenewright_content_refused", "counter", "Responses with 422 content_refused, by route.", ("route",)
)
JUDGED = Metric(
    "scenewright_judged",
    "counter",
    "Pictures judged before they were returned, by outcome: passed, flagged, refused.",
    ("outcome",),
)
FREE_BYTES = Metric(
    "scenewright_free_bytes",
    "gauge",
    "Free bytes on the fuller of the disks that hold jobs and their pictures, if they are on this machine.",
)

WEBHOOKS = Metric(
    "scenewright_webhooks",
    "counter",
    "Attempts to deliver webhooks, by outcome: delivered, retried, failed (given up).",
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
    """Record one replica's metrics. Create it inside the replica, from which Ray takes the tags."""

    def __init__(self, metrics: tuple[Metric, ...], model: str = "") -> None:
        """Create the metrics. `model`: the id of a generator's model."""
        from ray.serve import metrics as ray_metrics

        makers: dict[str, Any] = {
            "counter": ray_metrics.Counter,
            "gauge": ray_metrics.Gauge,
            "histogram": ray_metrics.Histogram,
        }
        self._made: dict[str, Any] = {}
        for metric in metrics:
            # `model` is empty at the edge: a metric must have the same labels wherever it is recorded.
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
