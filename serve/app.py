"""build(config): the whole graph, and every Ray option in it, on one page.

ingress (HTTP) ──► character ─┐
               └─► background ┴─► merger
jobs' worker ────► the same three
"""

# No `from __future__ import annotations`: Serve reads build's annotation as it stands, to validate `args`.

import os
from functools import partial
from typing import Any

from ray import serve
from ray.serve import Application

from deployments.background import Background
from deployments.character import Character
from deployments.merger import Merger

from .config import ReplicaOptions, ServiceConfig
from .ingress import Ingress
from .jobs.worker import JobWorker
from .logs import LogConfig

GENERATOR_HEALTH = {
    "health_check_period_s": 5,
    "health_check_timeout_s": 30,
    "graceful_shutdown_timeout_s": 20,
}


def build(config: ServiceConfig) -> Application:
    """The application of `serve run serve/local.yaml`; Serve validates the file's `args` into `config`."""
    config = config.with_environment(os.environ)
    deployment = partial(_deployment, config.logs)
    character, background = (
        deployment(replica_class, settings.replicas, **GENERATOR_HEALTH).bind(settings.generator)
        for replica_class, settings in ((Character, config.character), (Background, config.background))
    )
    graph = (character, background, deployment(Merger, config.merger).bind())
    worker = deployment(JobWorker, config.worker, health_check_period_s=5).bind(config, *graph)
    ingress = serve.ingress()(Ingress)
    app: Application = deployment(ingress, config.ingress).bind(config, *graph, worker)
    return app


def _deployment(logs: LogConfig, replica_class: type, options: ReplicaOptions, **more: Any) -> Any:
    scaling = (
        {"num_replicas": options.num_replicas}
        if options.autoscaling is None
        else {"autoscaling_config": options.autoscaling}
    )
    return serve.deployment(
        replica_class,
        name=replica_class.__name__,
        ray_actor_options={
            "num_cpus": options.num_cpus,
            "num_gpus": options.num_gpus,
            "resources": options.resources,
        },
        max_ongoing_requests=options.max_ongoing_requests,
        max_queued_requests=options.max_queued_requests,
        logging_config=logs.for_serve(),
        **scaling,
        **more,
    )
