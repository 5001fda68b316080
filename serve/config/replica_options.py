"""Define the Ray Serve options of all deployments, and those that only some of them have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from deployments.bounds import MOST, Bytes, Count

from .settings_base import Settings

Amount = Annotated[float, Field(ge=0, le=1_000_000)]
"""An amount of one of Ray's resources."""


class ReplicaOptions(Settings):
    """Ray Serve's options of one deployment; `autoscaling` replaces `num_replicas`.

    `num_gpus: 1` gives a replica its own GPU, and only a fraction lets two share one. `labels` select the
    nodes that it may run on, in the syntax of Ray's label selectors: `{accelerator: gpu}`, or `"!gpu"` for
    all the others.
    `surge_percent` is how many extra replicas an upgrade may start, as a percentage of the present ones. The
    old ones then stay until as many new ones have started. With 0 the old ones stop first.
    """

    num_replicas: Count | None = 1
    num_cpus: Amount = 1
    num_gpus: Amount = 0
    memory_bytes: Bytes | None = None
    resources: dict[str, Amount] = Field({})
    labels: dict[str, str] = Field({})
    # For a generator: twice what a forward holds, to choose from (diffusion/scheduling/scheduler.py).
    max_ongoing_requests: Count = 16
    max_queued_requests: Count = 64
    surge_percent: int = Field(0, ge=0, le=100)
    autoscaling: dict[str, Any] | None = None

    @property
    def least_replicas(self) -> int:
        """Return the fewest replicas that a healthy deployment has."""
        if self.autoscaling is not None:
            return int(self.autoscaling.get("min_replicas", 1))
        return self.num_replicas or 1

    @field_validator("num_gpus")
    @classmethod
    def _whole_or_a_part(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("num_gpus must be a fraction of one GPU or a whole number of GPUs")
        return gpus

    @field_validator("labels")
    @classmethod
    def _selects(cls, labels: dict[str, str]) -> dict[str, str]:
        if labels:
            from ray._private.label_utils import validate_label_selector

            if fault := validate_label_selector(labels):
                raise ValueError(fault)
        return labels

    @field_validator("autoscaling")
    @classmethod
    def _known_to_ray(cls, options: dict[str, Any] | None) -> dict[str, Any] | None:
        if options is not None:
            from ray.serve.config import AutoscalingConfig

            if unknown := options.keys() - AutoscalingConfig.model_fields.keys():
                raise ValueError(f"Ray Serve's autoscaling has no setting {sorted(unknown)[0]}")
            for key, value in options.items():
                if isinstance(value, int | float) and not 0 <= value <= MOST:
                    raise ValueError(f"{key} must be from 0 to {MOST}")
            AutoscalingConfig.model_validate(options)
        return options


class GeneratorReplicaOptions(ReplicaOptions):
    """Options of a generator's deployment.

    With `must_load`, a replica whose model does not load does not start. An upgrade to such a model then
    replaces nothing, and Serve starts the replica again, perhaps elsewhere. Without it the replica starts,
    says in /readyz why it cannot paint, gets no work and tries again. null: True if `surge_percent` is above
    0, since an upgrade that starts new replicas first stops the old ones as soon as those have started.
    """

    must_load: bool | None = None

    @property
    def starts_only_loaded(self) -> bool:
        return self.surge_percent > 0 if self.must_load is None else self.must_load


class CpuReplicaOptions(ReplicaOptions):
    """The options of a deployment that holds no GPU.

    The replicas that replace it fit beside it while it still runs.
    """

    num_cpus: Amount = 0
    surge_percent: int = Field(25, ge=0, le=100)  # At least one, since Serve rounds up.


class IngressOptions(CpuReplicaOptions):
    """Options of the edge, which refuses at once what it cannot take, so its proxy's queue drains quickly.

    With `haproxy`, HAProxy listens in place of Ray Serve's own proxies. `scenewright serve` starts it so.
    Another Ray needs variables on every node (docs/cluster.md), and without them nothing is deployed.
    RAY_SERVE_ENABLE_HA_PROXY, 0 or 1, overrides it.
    """

    haproxy: bool = False
    max_ongoing_requests: Count = 200
    max_queued_requests: Count = 1_024


class MergerOptions(CpuReplicaOptions):
    """Options of the merger. `at_once` is the most merges that a replica runs at once.

    The others wait in a queue that is fair between tenants. `work_bytes` is the memory for all the merges
    that it runs at once, by what each will take. null: 700 MB, or what the largest merge within `limits`
    takes if that is more. If it does not fit into `memory_bytes` beside the process itself, the service warns
    (memory_budgets.py).
    """

    num_cpus: Amount = 0.5
    max_ongoing_requests: Count = 4
    at_once: Count = 4
    work_bytes: Bytes | None = None
