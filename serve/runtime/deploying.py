"""Deploy the application on a running Ray with every option of the Serve file, and wait for its replicas."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray import serve
from ray.serve import Application
from ray.serve._private import api as private_api
from ray.serve._private.client import ServeControllerClient
from ray.serve.context import _get_global_client
from ray.serve.schema import LoggingConfig, ServeApplicationSchema, ServeDeploySchema

from ..config.service_config import ServiceConfig
from ..telemetry.logs import LogConfig
from . import ray_processes
from .private_ray import LONGEST_START_S
from .start_errors import CannotStart, RayEnded
from .waiting import Notify, reporting_progress

POLL_S = 0.25
"""Each poll takes 10 ms of CPU time in this process and the controller, which the replicas need to start."""
BUILT_BY_THE_CONTROLLER = ("deployments", "autoscaling_policy", "runtime_env")
"""The keys that Ray applies only if its controller builds the application, which takes some seconds more."""


def start_serve(deploy: ServeDeploySchema, logs: LogConfig, host: str, port: int, notify: Notify) -> None:
    """Start Serve's controller and its proxy. Raises CannotStart."""
    # Ray's constant is 60 s, and there is no setting for it.
    vars(private_api)["HTTP_PROXY_TIMEOUT"] = LONGEST_START_S
    options = deploy.http_options.model_dump() | {"host": host, "port": port}
    with reporting_progress(notify, lambda: "Ray Serve's proxy to listen"):
        try:
            serve.start(
                proxy_location=deploy.proxy_location,
                http_options=options,
                logging_config=logs_of_serve(deploy, logs),
                tracing_config=deploy.tracing_config,
                controller_options=deploy.controller_options,
            )
        except (TimeoutError, ray.exceptions.RayError) as error:
            raise CannotStart(f"Ray Serve did not start: {_last_line(str(error))}") from error


def logs_of_serve(deploy: ServeDeploySchema, logs: LogConfig) -> LoggingConfig:
    """Return how proxies and controller log: as the replicas do, unless the file says otherwise."""
    configured = deploy.logging_config.model_dump(exclude_unset=True) if deploy.logging_config else {}
    return LoggingConfig(**logs.for_serve() | configured)


def run(application: Application, config: ServiceConfig, deploy: ServeDeploySchema, notify: Notify) -> None:
    """Deploy and wait until every replica runs. `application` is built from `config`. Raises CannotStart."""
    options = deploy.applications[0]
    with reporting_progress(notify, lambda: _pending(options.name)):
        try:
            if needs_the_controller(deploy):
                _client().deploy_apps(with_arguments(deploy, config))
            else:
                target = serve.RunTarget(application, options.name, options.route_prefix)
                serve.run_many([target], wait_for_applications_running=False)
            _wait(options.name)
            _client().wait_for_proxies_serving()
        except (TimeoutError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            if isinstance(error, CannotStart | RayEnded):
                raise
            raise _failed(options.name, str(error)) from error


def needs_the_controller(deploy: ServeDeploySchema) -> bool:
    """Return whether the file sets anything that `serve.run` does not apply."""
    application = deploy.applications[0]
    is_set = any(getattr(application, key) for key in BUILT_BY_THE_CONTROLLER)
    return is_set or deploy.target_capacity is not None


def with_arguments(deploy: ServeDeploySchema, config: ServiceConfig) -> ServeDeploySchema:
    """Return the file's options with `config` as arguments, and without labels, as there is one node."""
    application = deploy.applications[0]
    deployments = []
    for deployment in application.deployments:
        changes: dict[str, Any] = {}
        if "ray_actor_options" in deployment.model_fields_set:
            changes["ray_actor_options"] = deployment.ray_actor_options.model_copy(
                update={"label_selector": None, "fallback_strategy": None}
            )
        deployments.append(deployment.model_copy(update=changes))
    changed = {"args": config.model_dump()} | ({"deployments": deployments} if deployments else {})
    return deploy.model_copy(update={"applications": [application.model_copy(update=changed)]})


def plain(name: str = "scenewright", route_prefix: str = "/") -> ServeDeploySchema:
    """Return the options of a service that has no Serve file."""
    application = ServeApplicationSchema(name=name, route_prefix=route_prefix, import_path="serve.app:build")
    return ServeDeploySchema(proxy_location="HeadOnly", applications=[application])


def _client() -> ServeControllerClient:
    client = _get_global_client()
    if client is None:
        raise CannotStart("Ray Serve's controller is gone")
    return client


def _wait(name: str) -> None:
    while True:
        ray_processes.check()
        found = serve.status().applications.get(name)
        status = "" if found is None else str(found.status.value)
        if status == "RUNNING":
            return
        if found is not None and status == "DEPLOY_FAILED":
            raise _failed(name, found.message)
        time.sleep(POLL_S)


def _pending(name: str) -> str:
    """Return a phrase with the deployments whose replicas do not all run yet."""
    found = serve.status().applications.get(name)
    missing = [
        kind
        for kind, deployment in (found.deployments if found else {}).items()
        if deployment.status.value != "HEALTHY"
    ]
    return f"{', '.join(sorted(missing))} to run" if missing else "Ray Serve to build the application"


def _failed(name: str, message: str) -> CannotStart:
    return CannotStart(f"Ray Serve could not deploy {name}: {_last_line(message)}")


def _last_line(message: str) -> str:
    """Return the error itself, which is the last line of a traceback."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"
