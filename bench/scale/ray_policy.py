"""Ray Serve's default autoscaling for simulated fleets: its own code, on the simulation's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray.serve.autoscaling_policy import (
    _apply_default_params_and_merge_state,
    _get_cold_start_scale_up_replicas,
    replica_queue_length_autoscaling_policy,
)
from ray.serve.config import AutoscalingConfig

from serve.planning.fleet import Fleet


@dataclass
class RaysOwn:
    """Ray Serve's default policy for simulated fleets: its own code, given what it would know of a branch."""

    config: AutoscalingConfig
    lag_s: float = 1.0

    def __post_init__(self) -> None:
        self._seen: dict[str, list[tuple[float, float]]] = {}
        self._states: dict[str, dict[str, Any]] = {}

    def __call__(self, now: float, fleets: Mapping[str, Fleet]) -> dict[str, int]:
        return {kind: self._decide(kind, fleet, now) for kind, fleet in fleets.items()}

    def _decide(self, kind: str, fleet: Fleet, now: float) -> int:
        seen = self._seen.setdefault(kind, [])
        seen.append((now, float(_ongoing(fleet))))
        oldest = now - self.lag_s - self.config.look_back_period_s
        while len(seen) > 1 and seen[0][0] < oldest:
            seen.pop(0)
        known = [count for at, count in seen if at <= now - self.lag_s] or [0.0]
        context: Any = SimpleNamespace(
            current_num_replicas=len(fleet.ready),
            target_num_replicas=fleet.target,
            total_num_requests=float(np.mean(known)),
            config=self.config,
        )
        state = self._states.get(kind, {})
        cold: int | None = _get_cold_start_scale_up_replicas(context)
        if cold is None:
            desired, _ = replica_queue_length_autoscaling_policy(context)
            # Ray's delays use the wall clock, which _with_delays replaces by the simulation's.
            cold, self._states[kind] = _with_delays(desired, context, state, now)
        return max(self.config.min_replicas, min(self.config.max_replicas, cold))


def _with_delays(
    desired: float, context: Any, state: dict[str, Any], now: float
) -> tuple[int, dict[str, Any]]:
    import ray.serve.autoscaling_policy as rays

    wall_clock, rays.time = rays.time, SimpleNamespace(time=lambda: now)  # type: ignore[assignment, attr-defined]
    try:
        return _apply_default_params_and_merge_state(state, {}, desired, context)
    finally:
        rays.time = wall_clock


def _ongoing(fleet: Fleet) -> int:
    return len(fleet.waiting) + sum(len(replica.tasks) for replica in fleet.ready + fleet.draining)
