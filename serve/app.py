"""Build the whole graph of deployments. Every Ray option is set here.

ingress (HTTP) ──► character ─┐
               └─► background ┴─► merger
jobs' worker ────► the same three

A layer with several models has one deployment per model.
"""

# No `from __future__ import annotations`: Serve reads build's annotation at run time, to validate `args`.

import os
from functools import partial
from typing import Any

import ray
from ray import serve
from ray.serve import Application

from deployments.imaging.safety_check import refuse_missing_classifier
from deployments.merger import MergerConfig

from .config import haproxy_mode
from .config.memory_budgets import memory_warnings, work_bytes
from .config.model_names import deployment_names
from .config.replica_options import ReplicaOptions
from .config.service_config import ServiceConfig
from .graph.request_router import routed
from .http.request_slots import slots_of
from .ingress import Ingress
from .jobs.worker import JobWorker
from .state.across_nodes import home_of_jobs
from .state.drivers import refuse_missing_drivers
from .telemetry.logs import LogConfig, logger
from .telemetry.observed_replicas import ObservedBackground, ObservedCharacter, ObservedMerger

# Three failures in a row end a replica, so a wedged step is seen 2 to 3 s after it counts as wedged.
GENERATOR_HEALTH = {
    "health_check_period_s": 1,
    "health_check_timeout_s": 30,
    "graceful_shutdown_timeout_s": 20,
}
TOO_MANY = {"status_code": 429, "retry_after_s": 1}
"""Serve's response when the edge's queue is full. http/serve_answers.py gives it our error format."""


def build(config: ServiceConfig) -> Application:
    """Build the application that `serve run serve/local.yaml` runs.

    Serve validates the file's `args` into `config`.
    """
    config = config.with_environment(os.environ)
    haproxy_mode.refuse_without(config, ray.is_initialized())
    refuse_missing_drivers(config.jobs)
    if config.safety.checks_pictures and config.safety.picture_check is None:
        refuse_missing_classifier()
    home = home_of_jobs(config)
    for warning in memory_warnings(config):
        logger.warning(warning)
    deployment = partial(_deployment, config.logs)
    names = deployment_names(config.generators)
    generators = {
        generator: deployment(
            names[generator],
            ObservedCharacter if generator.startswith(ObservedCharacter.kind) else ObservedBackground,
            settings.replicas,
            request_router_config=routed(generator, settings.generator.keeps_layers),
            **GENERATOR_HEALTH,
        ).bind(
            settings.generator,
            must_load=settings.replicas.starts_only_loaded,
            # The number of rows that fit on a GPU depends on what else is on it.
            calibrations=None if settings.replicas.num_gpus else str(config.state_folder / "calibrations"),
        )
        for generator, settings in config.generators.items()
    }
    composition = MergerConfig(
        config.provenance,
        config.matting,
        config.signing,
        work_bytes(config),
        config.merger.at_once,
        config.consistency,
        config.safety,
    )
    merger = deployment("Merger", ObservedMerger, config.merger).bind(composition)
    # The first model of each layer is always present. Other models are optional and passed separately.
    graph = (generators.pop("character"), generators.pop("background"), merger)
    worker = deployment("JobWorker", JobWorker, config.worker, health_check_period_s=5).bind(
        config, *graph, home, generators
    )
    ingress = serve.ingress()(Ingress)
    # A stopping replica finishes its requests: no other replica can respond on its connections.
    drained = {"graceful_shutdown_timeout_s": config.limits.max_deadline_s, "backpressure_config": TOO_MANY}
    edge = config.ingress.model_copy(update={"max_ongoing_requests": slots_of(config)})
    app: Application = deployment("Ingress", ingress, edge, **drained).bind(
        config, *graph, worker, home, generators
    )
    return app


def _deployment(logs: LogConfig, name: str, replica_class: type, options: ReplicaOptions, **more: Any) -> Any:
    scaling = (
        {"num_replicas": options.num_replicas}
        if options.autoscaling is None
        else {"autoscaling_config": options.autoscaling}
    )
    placement: dict[str, Any] = {
        "num_cpus": options.num_cpus,
        "num_gpus": options.num_gpus,
        "resources": options.resources,
    }
    if options.memory_bytes is not None:
        placement["memory"] = options.memory_bytes
    if options.labels:
        placement["label_selector"] = options.labels
    return serve.deployment(
        replica_class,
        name=name,
        ray_actor_options=placement,
        max_ongoing_requests=options.max_ongoing_requests,
        max_queued_requests=options.max_queued_requests,
        max_surge_percent=options.surge_percent,
        logging_config=logs.for_serve(),
        **scaling,
        **more,
    )
