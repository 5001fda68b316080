"""List every dashboard panel with its PromQL, using the metrics of serve/telemetry/metrics.py and of Ray."""

from __future__ import annotations

from dataclasses import dataclass

from serve.telemetry import metrics
from serve.telemetry.metrics import Metric

RATE = "$__rate_interval"
NEVER_EMPTY = " or vector(0)"
"""Suffix of queries for rare events: before the first one there is no series, and the count is zero."""


@dataclass(frozen=True)
class Query:
    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel. `unit` is Grafana's ID of the unit."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def rate(metric: Metric, by: str = "", where: str = "") -> str:
    grouped = f"sum by ({by}) " if by else "sum "
    return f"{grouped}(rate({metric.exported}{where}[{RATE}]))"


def quantile(metric: Metric, part: float, by: str = "") -> str:
    grouping = f"le, {by}" if by else "le"
    return f"histogram_quantile({part}, sum by ({grouping}) (rate({metric.exported}[{RATE}])))"


def quantiles(metric: Metric, by: str = "") -> tuple[Query, ...]:
    legend = "".join(f"{{{{{label.strip()}}}}} " for label in by.split(",") if by)
    return tuple(Query(quantile(metric, part, by), f"{legend}p{100 * part:g}") for part in (0.5, 0.95, 0.99))


def mean(metric: Metric, by: str) -> str:
    """Return the query for the mean of a histogram."""
    base = metric.exported.removesuffix("_bucket")
    return f"sum by ({by}) (rate({base}_sum[{RATE}])) / sum by ({by}) (rate({base}_count[{RATE}]))"


def share(part: str, whole: str) -> str:
    return f"({part}{NEVER_EMPTY}) / ({whole})"


ROWS = (
    Row(
        "Service",
        (
            Panel("Requests", "reqps", (Query(rate(metrics.REQUESTS, "status"), "{{status}}"),)),
            Panel(
                "Latency",
                "s",
                quantiles(metrics.LATENCY, "route"),
                "Until the end of the response, for requests that were not refused.",
            ),
            Panel(
                "Turned away",
                "reqps",
                (Query(rate(metrics.REJECTED) + NEVER_EMPTY, "429, 503 and 507"),),
                "No capacity, or no replica ready.",
            ),
            Panel(
                "Over their limits",
                "reqps",
                (Query(rate(metrics.RATE_LIMITED, "tenant, reason") + NEVER_EMPTY, "{{tenant}} {{reason}}"),),
                "Requests over their tenant's rate, monthly budget or limit of concurrent requests.",
            ),
            Panel(
                "Degraded",
                "percentunit",
                (Query(share(rate(metrics.DEGRADED), rate(metrics.REQUESTS)), "of all requests"),),
                "Reduced or placeholder layers. The response also reports them.",
            ),
            Panel(
                "Moderation",
                "ops",
                (
                    Query(rate(metrics.JUDGED, "outcome") + NEVER_EMPTY, "pictures {{outcome}}"),
                    Query(rate(metrics.CONTENT_REFUSED) + NEVER_EMPTY, "responses refused"),
                ),
                "If `safety` is on: pictures judged, and 422 responses for words or pictures.",
            ),
            Panel(
                "Damaged pictures",
                "ops",
                (Query(rate(metrics.DAMAGED_PICTURES) + NEVER_EMPTY, "found"),),
                "Kept pictures of jobs that were found damaged on reading: painted again, or lost.",
            ),
            Panel(
                "Free disk",
                "bytes",
                (Query(f"min({metrics.FREE_BYTES.exported})", "free"),),
                "Where jobs and their pictures are kept. Below `jobs.min_free_bytes` new jobs are refused.",
            ),
            Panel(
                "Webhooks",
                "ops",
                tuple(
                    Query(rate(metrics.WEBHOOKS, where=f'{{outcome="{outcome}"}}') + NEVER_EMPTY, outcome)
                    for outcome in ("delivered", "retried", "failed")
                ),
                "Delivery attempts. Failed: given up after a day, or refused permanently.",
            ),
        ),
    ),
    Row(
        "Painting",
        (
            Panel("Queue wait", "s", quantiles(metrics.QUEUE_WAIT, "deployment")),
            Panel("Step", "s", quantiles(metrics.STEP, "deployment")),
            Panel("Stages, p95", "s", (Query(quantile(metrics.STAGE, 0.95, "stage"), "{{stage}}"),)),
            Panel(
                "The earlier layer waits for the later",
                "s",
                quantiles(metrics.BRANCH_SKEW),
                "The cost of the fork and the join. If it persists, one branch needs more replicas.",
            ),
            Panel(
                "Rows in a batch, mean",
                "none",
                (Query(mean(metrics.BATCH_ROWS, "deployment"), "{{deployment}}"),),
            ),
            Panel(
                "Busy",
                "percentunit",
                (
                    Query(
                        f"avg by (deployment) (rate({metrics.BUSY.exported}[{RATE}]))",
                        "{{deployment}}",
                    ),
                ),
                "The share of the time in which a replica has something to paint.",
            ),
            Panel(
                "Device seconds by tenant",
                "none",
                (Query(rate(metrics.DEVICE_SECONDS, "tenant"), "{{tenant}}"),),
                "Device seconds per second: each tenant's share of every forward, completed or not.",
            ),
            Panel(
                "Backlog of a replica",
                "s",
                (Query(f"avg by (deployment) ({metrics.BACKLOG.exported})", "{{deployment}}"),),
                "Autoscaling follows this value.",
            ),
            Panel(
                "Layers by outcome",
                "ops",
                (Query(rate(metrics.LAYERS, "outcome"), "{{outcome}}"),),
                "Includes cache hits.",
            ),
            Panel(
                "Wasted steps",
                "percentunit",
                (Query(share(rate(metrics.WASTED_STEPS), rate(metrics.STEPS)), "of all steps"),),
            ),
        ),
    ),
    Row(
        "Cluster",
        (
            Panel(
                "Replicas",
                "none",
                (
                    Query(
                        "sum by (deployment) (ray_serve_deployment_replica_healthy)", "{{deployment}} healthy"
                    ),
                    Query(
                        "sum by (deployment) (ray_serve_autoscaling_target_replicas)", "{{deployment}} wanted"
                    ),
                ),
            ),
            Panel(
                "Model load",
                "s",
                (Query(f"max by (deployment) ({metrics.MODEL_LOAD.exported})", "{{deployment}}"),),
            ),
            Panel(
                "Forwards compiled in the background",
                "short",
                (Query(f"sum by (state) ({metrics.COMPILED.exported}){NEVER_EMPTY}", "{{state}}"),),
                "For models with compile: auto. A forward that failed or was slower runs uncompiled.",
            ),
            Panel(
                "Peak memory of a replica",
                "bytes",
                (Query(f"max by (deployment) ({metrics.MEMORY.exported})", "{{deployment}}"),),
            ),
            Panel(
                "Memory of the nodes",
                "percentunit",
                (Query("max by (instance) (ray_node_mem_used / ray_node_mem_total)", "{{instance}}"),),
            ),
            Panel(
                "Energy of the GPUs",
                "watt",
                (Query(rate(metrics.JOULES, "deployment") + NEVER_EMPTY, "{{deployment}}"),),
                "If NVML counts it. Each replica of a shared GPU counts all of its energy.",
            ),
            Panel(
                "GPUs",
                "percent",
                (Query("avg(ray_node_gpus_utilization)" + NEVER_EMPTY, "busy"),),
            ),
        ),
    ),
)
