"""Refuse keys of a Serve file that have no effect under `scenewright serve`, and say what to do instead.

Every other key of Ray Serve's schema reaches Ray; tests/serve/config/test_serve_keys.py checks each one.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from typing import Any

from ray.serve.schema import HTTPOptionsSchema, ServeDeploySchema

from . import haproxy_mode
from .model_names import deployment_names
from .service_config import ServiceConfig

OTHERS = ("Merger", "Ingress", "JobWorker")
"""The deployments that paint no layer."""
APPLICATION = "applications[0]"
BY_SERVE_RUN = "remove it, or deploy the file with Ray's own `serve run`"
UNSERVED = {
    "grpc_options": "Scenewright has no gRPC methods: remove it",
    "http_options.ssl_ca_certs": "Ray Serve does not request client certificates, so none would be checked:"
    " remove it, and check client certificates in a proxy in front of the service",
    "applications[].logging_config": "Scenewright's deployments have their own logging settings: set"
    f" {APPLICATION}.args.logs instead",
    "applications[].external_scaler_enabled": "an external scaler needs Ray's dashboard, which"
    f" `scenewright serve` does not start: {BY_SERVE_RUN}",
    "applications[].deployments[].user_config": "no Scenewright deployment uses it: set"
    f" {APPLICATION}.args instead",
    "applications[].deployments[].deployment_actors": "no Scenewright deployment would call them: remove it",
}
"""The refused keys by path. An empty value has no effect, and is accepted."""
PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[^\s/?#%{}@\\]+)+")
PREFIX_RULE = (
    "must be a path such as /paint: a slash at the start, none at the end, no spaces and none of ?#%{}@"
)


class UnservedKey(ValueError):
    """Name the key, why it would have no effect, and what to do instead."""


def refuse_unserved(content: dict[str, Any], deploy: ServeDeploySchema, config: ServiceConfig) -> None:
    """Raise UnservedKey for the first key of `content`, the file as it was read, that has no effect."""
    for path, pattern, value in _walk(content):
        if pattern in UNSERVED and _is_set(value):
            raise UnservedKey(f"{path} does nothing here, since {UNSERVED[pattern]}")
    for fault in (
        *_http(deploy.http_options, config),
        *_tracing(deploy, config),
        *_application(deploy, config),
    ):
        raise UnservedKey(fault)


def _walk(value: Any, path: str = "", pattern: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield each key's path, its path without indices, and its value. Keys inside `args` are not Ray's."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]", f"{pattern}[]")
    elif isinstance(value, dict) and pattern != "applications[].args":
        for key, item in value.items():
            inner = (f"{path}.{key}".lstrip("."), f"{pattern}.{key}".lstrip("."))
            yield (*inner, item)
            yield from _walk(item, *inner)


def _is_set(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_set(item) for item in value.values())
    return value not in (None, False, [], "")


def _http(http: HTTPOptionsSchema, config: ServiceConfig) -> Iterator[str]:
    if not 0 <= http.port <= 65_535:
        yield "http_options.port must be from 0 to 65535; 0 chooses a free port"
    timeout_s = http.request_timeout_s
    if timeout_s is not None and not 0 < timeout_s < math.inf:
        yield "http_options.request_timeout_s must be above 0; remove it for no timeout"
    if http.keep_alive_timeout_s < 1:
        yield "http_options.keep_alive_timeout_s must be at least 1"
    if http.root_path and not PREFIX.fullmatch(http.root_path):
        yield f"http_options.root_path {PREFIX_RULE}"
    if bool(http.ssl_keyfile) != bool(http.ssl_certfile):
        yield "http_options.ssl_keyfile and ssl_certfile do nothing here without each other: set both"
    if http.ssl_keyfile_password and not http.ssl_keyfile:
        yield "http_options.ssl_keyfile_password does nothing here without ssl_keyfile and ssl_certfile"
    if http.ssl_keyfile and haproxy_mode.is_requested(config):
        yield "http_options.ssl_keyfile does nothing behind Ray's HAProxy: end TLS in a proxy in front of it"


def _tracing(deploy: ServeDeploySchema, config: ServiceConfig) -> Iterator[str]:
    tracing = deploy.tracing_config
    if tracing is None:
        return
    if not tracing.enabled:
        if others := sorted(tracing.model_fields_set - {"enabled"}):
            yield f"tracing_config.{others[0]} does nothing here without enabled: true"
        return
    if not tracing.exporter_import_path:
        yield (
            "tracing_config.enabled does nothing here without exporter_import_path, since its files are lost"
            f" when the service ends: name an exporter, or set {APPLICATION}.args.tracing.endpoint instead"
        )
    if config.tracing.endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        yield f"tracing_config and {APPLICATION}.args.tracing.endpoint both send traces: remove one of them"


def _application(deploy: ServeDeploySchema, config: ServiceConfig) -> Iterator[str]:
    if deploy.proxy_location.value == "Disabled":
        yield "proxy_location: Disabled would leave the service without an address: set HeadOnly or EveryNode"
    application = deploy.applications[0]
    if application.route_prefix is None:
        yield f"{APPLICATION}.route_prefix: null would leave the service without an address: set it to /"
    elif application.route_prefix != "/" and not PREFIX.fullmatch(application.route_prefix):
        yield f"{APPLICATION}.route_prefix {PREFIX_RULE}; or / alone"
    elif application.route_prefix.endswith("/v1"):
        yield f"{APPLICATION}.route_prefix must not end in /v1: each route already begins with it"
    names = (*deployment_names(config.generators).values(), *OTHERS)
    for index, deployment in enumerate(application.deployments):
        path = f"{APPLICATION}.deployments[{index}]"
        if deployment.name not in names:
            yield f"{path}.name must be one of {', '.join(names)}"
        if "backpressure_config" in deployment.model_fields_set and deployment.name != "Ingress":
            yield f"{path}.backpressure_config does nothing here, since only Ingress serves HTTP"
    replicas = [model.replicas for model in config.generators.values()]
    scaled = any(options.autoscaling for options in (*replicas, config.merger, config.ingress, config.worker))
    scaled |= any(deployment.is_autoscaling_configured() for deployment in application.deployments)
    if application.autoscaling_policy and not scaled:
        yield (
            f"{APPLICATION}.autoscaling_policy does nothing here, since no deployment is scaled: set"
            f" {APPLICATION}.args.character.replicas.autoscaling"
        )
