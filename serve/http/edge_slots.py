"""Divide the slots of an edge replica: requests, streams of jobs, and the rest for health checks."""

from __future__ import annotations

from ray import serve
from ray.serve.exceptions import RayServeException

from ..config.service_config import ServiceConfig
from .request_slots import HEALTH_SLOTS


def slots_of(config: ServiceConfig) -> int:
    """Return the edge's `max_ongoing_requests` for Ray Serve."""
    return config.ingress.max_ongoing_requests + config.limits.max_streams + HEALTH_SLOTS


def within(config: ServiceConfig, slots: int) -> ServiceConfig:
    """Divide fewer slots in the same proportions: one in eight, and one at least, is for health checks."""
    wanted = slots_of(config)
    if slots >= wanted:
        return config
    rest = max(2, slots - max(1, slots // 8))
    streams = max(1, rest * config.limits.max_streams // (wanted - HEALTH_SLOTS))
    ingress = config.ingress.model_copy(update={"max_ongoing_requests": rest - streams})
    limits = config.limits.model_copy(update={"max_streams": streams})
    return config.model_copy(update={"ingress": ingress, "limits": limits})


def fitted(config: ServiceConfig) -> ServiceConfig:
    """Divide the slots that this replica really has: `deployments` of a Serve file may set them, too."""
    try:
        context = serve.get_replica_context()
    except RayServeException:
        return config
    return within(config, context._deployment_config.max_ongoing_requests)
