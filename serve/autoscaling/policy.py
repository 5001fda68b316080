"""The joint policy as Ray Serve calls it: `autoscaling_policy` of an application, in serve/gpu.yaml.

Ray calls it in its controller, at every iteration of the control loop. Each replica reports its work through
`record_autoscaling_stats` (deployments/generator.py). The handles report the requests still waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ray.serve.autoscaling_policy import replica_queue_length_autoscaling_policy
from ray.serve.config import AutoscalingContext

from deployments.reports.load_report import WINDOWS_S, LoadReport

from .decide import (
    BranchLoad,
    Goal,
    arrival_rate,
    decide,
)

LAYERS = ("Character", "Background")
LEAST_WEIGHT = 1e-9
"""The weight of a replica without recent arrivals: it counts only if no replica has any."""
LEAST_REQUEST_S = 1e-3
"""The work assumed for a waiting request until it is known how long one takes."""

Contexts = Mapping[Any, AutoscalingContext]
"""The key is Ray's DeploymentID."""


class JointPolicy:
    """The joint policy. Ray makes one instance, with the file's `policy_kwargs`: the fields of a Goal."""

    def __init__(self, **goal: Any) -> None:
        self._goal = Goal(**goal)

    def __call__(self, contexts: Contexts) -> tuple[dict[Any, float], dict[Any, dict[str, Any]]]:
        """Return replicas and state for each deployment.

        Deployments other than the branches follow Ray's own policy.
        """
        branches = {
            key: context for key, context in contexts.items() if layer_of(context.deployment_name) in LAYERS
        }
        counts: dict[Any, float] = {}
        states: dict[Any, dict[str, Any]] = {}
        for key in contexts.keys() - branches.keys():
            counts[key], states[key] = replica_queue_length_autoscaling_policy(contexts[key])
        if branches:
            names = {context.deployment_name: key for key, context in branches.items()}
            now = max(context.current_time or 0.0 for context in branches.values())
            histories = {
                name: tuple(branches[key].policy_state.get("history", ())) for name, key in names.items()
            }
            loads = {name: load_of(branches[key]) for name, key in names.items()}
            decided, remembered = decide(loads, self._goal, histories, now)
            for name, key in names.items():
                counts[key] = decided[name]
                states[key] = {"history": remembered[name]}
        return counts, states


def layer_of(deployment: str) -> str:
    """Return the layer of a generator's deployment: `Character` for `Character` and `Character-MODEL`."""
    return deployment.partition("-")[0]


def load_of(context: AutoscalingContext) -> BranchLoad:
    """Sum one branch's load over its replicas' latest reports."""
    reports = _latest_reports(context)
    queued = context.total_queued_requests or 0.0
    if not reports:
        # While no replica runs, none reports: a waiting request is reason enough to start one.
        queued = max(queued, context.total_num_requests)
    arrived = [sum(counts) for counts in zip(*(report.arrived for report in reports), strict=True)]
    rate = arrival_rate(
        arrived, WINDOWS_S[: len(arrived)], max((report.age_s for report in reports), default=0.0)
    )
    weights = [report.arrived[-1] + LEAST_WEIGHT for report in reports]
    request_s = sum(
        weight / sum(weights) * report.request_s for weight, report in zip(weights, reports, strict=True)
    )
    return BranchLoad(
        offered=rate * request_s,
        backlog_s=sum(report.backlog_s for report in reports) + queued * max(request_s, LEAST_REQUEST_S),
        service_s=max((report.service_s for report in reports), default=0.0),
        replicas=context.target_num_replicas,
        least=context.capacity_adjusted_min_replicas,
        most=context.capacity_adjusted_max_replicas,
        layer=layer_of(context.deployment_name),
    )


def _latest_reports(context: AutoscalingContext) -> list[LoadReport]:
    """Return each replica's latest report.

    Ray's own aggregate is a mean over the look-back period, so it lags behind.
    """
    numbers: dict[Any, dict[str, float]] = {}
    for name, by_replica in (context.raw_metrics or {}).items():
        for replica, series in by_replica.items():
            if series:
                numbers.setdefault(replica, {})[name] = series[-1].value
    reports = []
    for reported in numbers.values():
        with suppress(KeyError):  # It does not report our numbers yet.
            reports.append(LoadReport.from_numbers(reported))
    return reports
