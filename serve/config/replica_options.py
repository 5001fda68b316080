"""Define Ray Serve's options of each deployment, and what is its own in them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from deployments.bounds import MOST, Bytes, Count

from .settings_base import Settings

Amount = Annotated[float, Field(ge=0, le=1_000_000)]
"""An amount of one of Ray's resources."""


class ReplicaOptions(Settings):
    """Ray Serve's options of one deployment; `autoscaling` takes the place of `num_replicas`.

    `num_gpus: 1` gives a replica a GPU of its own, and only a fraction lets two share one. `labels` are of
    the nodes that it may run on, as Ray's label selectors: `{accelerator: gpu}`, or `"!gpu"` for all the
    others.
    `surge_percent`: how many more replicas an upgrade may start, of those there are. Then the old ones stay
    until as many new ones have started. With 0 the old ones go first.
    """

    num_replicas: Count | None = 1
    num_cpus: Amount = 1
    num_gpus: Amount = 0
    memory_bytes: Bytes | None = None
    resources: dict[str, Amount] = Field({})
    labels: dict[str, str] = Field({})
    # For a generator: what its forwards hold, and as many again to choose from (diffusion/scheduler.py).
    max_ongoing_requests: Count = 16
    max_queued_requests: Count = 64
    surge_percent: int = Field(0, ge=0, le=100)
    autoscaling: dict[str, Any] | None = None

    @property
    def least_replicas(self) -> int:
        """Return how many replicas there are whenever all is well."""
        if self.autoscaling is not None:
            return int(self.autoscaling.get("min_replicas", 1))
        return self.num_replicas or 1

    @field_validator("num_gpus")
    @classmethod
    def _whole_or_a_part(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("num_gpus is a fraction of one GPU or a whole number of them")
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
                raise ValueError(f"Ray Serve's autoscaling has no {sorted(unknown)[0]}")
            for key, value in options.items():
                if isinstance(value, int | float) and not 0 <= value <= MOST:
                    raise ValueError(f"{key} must be from 0 to {MOST}")
            AutoscalingConfig.model_validate(options)
        return options


class GeneratorReplicaOptions(ReplicaOptions):
    """`must_load`: a replica whose model does not load does not start, so that an upgrade to such a model
    replaces nothing, and Serve starts it again, perhaps elsewhere. Without it the replica starts, says in
    /readyz why it cannot paint, gets no work and tries again. null: as `surge_percent` needs it, since an
    upgrade that begins with the new replicas lets the old ones go as soon as those have started.
    """

    must_load: bool | None = None

    @property
    def starts_only_loaded(self) -> bool:
        return self.surge_percent > 0 if self.must_load is None else self.must_load


class CpuReplicaOptions(ReplicaOptions):
    """The options of a deployment that holds no GPU.

    There is room for its successors while it is still there.
    """

    num_cpus: Amount = 0
    surge_percent: int = Field(25, ge=0, le=100)  # Of few, one: Serve rounds up.


class IngressOptions(CpuReplicaOptions):
    """The edge refuses at once what it cannot take, so its proxy's queue is worked off in moments.

    `haproxy`: HAProxy listens, in place of Ray Serve's own proxies. `scenewright serve` starts it so. On
    another Ray it takes variables on every node (docs/cluster.md), and without them nothing is deployed.
    RAY_SERVE_ENABLE_HA_PROXY, 0 or 1, has the last word.
    """

    haproxy: bool = False
    max_ongoing_requests: Count = 200
    max_queued_requests: Count = 1_024


class MergerOptions(CpuReplicaOptions):
    """`at_once`: how many merges a replica runs at once at most; the others wait, tenant by tenant.

    `work_bytes`: the memory for all that it merges at once, by what each merge will take. null: 700 MB, or
    what the largest merge within `limits` takes where that is more. Where it does not fit into `memory_bytes`
    beside what the process itself takes, the service warns (memory_budgets.py).
    """

    num_cpus: Amount = 0.5
    max_ongoing_requests: Count = 4
    at_once: Count = 4
    work_bytes: Bytes | None = None
