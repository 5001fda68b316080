"""Fit a configuration to one machine: remove the labels of nodes, and sum the resources it requests."""

from __future__ import annotations

from typing import TypeVar

from ray.serve.schema import DeploymentSchema

from ..config.layer_settings import ModelSettings
from ..config.model_names import deployment_names
from ..config.replica_options import ReplicaOptions
from ..config.service_config import ServiceConfig

AnyOptions = TypeVar("AnyOptions", bound=ReplicaOptions)
AnyModel = TypeVar("AnyModel", bound=ModelSettings)


def on_one_node(config: ServiceConfig) -> ServiceConfig:
    """Remove the labels that select nodes, since there is only one, whatever its labels."""

    def anywhere(options: AnyOptions) -> AnyOptions:
        return options.model_copy(update={"labels": {}})

    def model_anywhere(model: AnyModel) -> AnyModel:
        return model.model_copy(update={"replicas": anywhere(model.replicas)})

    layers = {
        kind: model_anywhere(layer).model_copy(
            update={"models": tuple(model_anywhere(each) for each in layer.models)}
        )
        for kind, layer in config.layers.items()
    }
    others = {
        "merger": anywhere(config.merger),
        "ingress": anywhere(config.ingress),
        "worker": anywhere(config.worker),
    }
    return config.model_copy(update=layers | others)


def requested_resources(config: ServiceConfig, overrides: list[DeploymentSchema]) -> dict[str, float]:
    """Sum the logical resources of the fewest replicas of all deployments.

    Autoscaling adds as many more as there is room for.
    """
    total = {"CPU": 0.0, "GPU": 0.0}
    names = deployment_names(config.generators)
    overridden = {each.name: each.model_dump(exclude_unset=True) for each in overrides}
    for name, options in (
        *((names[name], model.replicas) for name, model in config.generators.items()),
        ("Merger", config.merger),
        ("Ingress", config.ingress),
        ("JobWorker", config.worker),
    ):
        override = overridden.get(name, {})
        requested = {"CPU": options.num_cpus, "GPU": options.num_gpus, "memory": options.memory_bytes or 0}
        requested |= options.resources
        if actor := override.get("ray_actor_options"):
            # They replace all of the configuration's. An actor that names no CPUs gets one.
            named = {"CPU": ("num_cpus", 1), "GPU": ("num_gpus", 0), "memory": ("memory", 0)}
            requested = {resource: actor.get(key, least) for resource, (key, least) in named.items()}
            requested |= actor.get("resources") or {}
        replicas = override.get("num_replicas") or override.get("autoscaling_config") or _replicas(options)
        replicas = replicas if isinstance(replicas, int) else 1
        for resource, amount in requested.items():
            total[resource] = total.get(resource, 0.0) + replicas * (amount or 0)
    return total


def _replicas(options: ReplicaOptions) -> int:
    if options.autoscaling is None:
        return options.num_replicas or 1
    return max(1, int(options.autoscaling.get("min_replicas", 1)))
