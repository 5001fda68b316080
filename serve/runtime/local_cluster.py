"""The whole service on a private Ray of its own, on this machine, for as long as a `with` block lasts."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import TypeVar

import ray
from ray import serve
from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeDeploySchema

from ..app import build
from ..config import haproxy_mode
from ..config.access import Authentication
from ..config.host_names import is_loopback, normalised
from ..config.layer_settings import ModelSettings
from ..config.model_names import deployment_names
from ..config.replica_options import ReplicaOptions
from ..config.service_config import ServiceConfig
from ..http import checked_hosts, edge_check, haproxy_launcher
from ..http.connection_limits import ConnectionLimits
from ..state.private_files import new_ones_shut
from . import (
    deploying,
    haproxy,
    orphan_reaper,
    preloaded_modules,
    private_ray,
    ray_processes,
    spare_process,
    state_folder,
    tls,
)
from .fork_server.running import forking_workers
from .listen_address import (
    EVERYWHERE,
    check_port,
    resolve,
    url_of,
)
from .listen_address import free_port as free_port
from .private_ray import OBJECT_STORE_BYTES as OBJECT_STORE_BYTES
from .signals import listen, undisturbed
from .start_errors import CannotStart as CannotStart
from .start_errors import RayEnded as RayEnded

AnyOptions = TypeVar("AnyOptions", bound=ReplicaOptions)
AnyModel = TypeVar("AnyModel", bound=ModelSettings)


@contextmanager
def running(
    config: ServiceConfig,
    host: str,
    port: int,
    notify: Callable[[str], None] = lambda text: None,
    deploy: ServeDeploySchema | None = None,
    metrics_port: int | None = None,
) -> Iterator[str]:
    """Yield the service's address, once its replicas run (GET /readyz says whether they can paint).

    `deploy` is the Serve file that `config` is from; port 0 takes a free one. Prometheus reads metrics at
    `metrics_port`, else at a free one. Leaving the block by any way stops everything that it started. Raises
    CannotStart, and RayEnded where Ray does not live that long.
    """
    with (
        private_ray.environment(haproxy.switch(config)),
        _running(config, host, port, notify, deploy or deploying.plain(), metrics_port) as url,
    ):
        yield url


@contextmanager
def _running(
    config: ServiceConfig,
    host: str,
    port: int,
    notify: Callable[[str], None],
    deploy: ServeDeploySchema,
    metrics_port: int | None,
) -> Iterator[str]:
    named, host = host, resolve(host)
    if not haproxy.reaches_replicas_at(host):
        raise CannotStart(
            "HAProxy reaches replicas at 127.0.0.1: let --host be that, or 0.0.0.0, or let"
            f" {haproxy_mode.SWITCH}=0 start Ray Serve's own proxies"
        )
    port = port or free_port(host)
    check_port(host, port)
    if metrics_port is not None:
        if metrics_port == port:
            raise CannotStart(f"--port and --metrics-port are both {port}: give one of them another number")
        check_port("127.0.0.1", metrics_port, "--metrics-port")
    http = tls.with_whole_paths(deploy.http_options)
    tls.check(http)
    deploy = deploy.model_copy(update={"http_options": http})
    if config.authentication is None:
        config = config.model_copy(update={"authentication": authentication_at(host)})
    config = on_one_node(answering_to(config, named, host))
    try:
        application = build(config)
        kept = config.with_environment(os.environ)
        ConnectionLimits.from_environment(os.environ)
    except ValueError as error:
        raise CannotStart(str(error)) from error
    scheme = "https" if http.ssl_certfile else "http"
    url = url_of(host, port, scheme, deploy.applications[0].route_prefix or "/")
    ports = haproxy.private_ports(host, port, notify)
    # Under /tmp and short: sockets live in it, and a socket's path holds 107 characters. Mode 0700; Ray's
    # own it would open to all.
    folder = tempfile.mkdtemp(prefix="scenewright-", dir="/tmp")  # nosec B108
    rays = f"{folder}/ray"
    settings = {
        **private_ray.PRIVATE,
        **haproxy.private_settings(folder),
        **ports,
        **checked_hosts.setting_for(kept.allowed_hosts, kept.requires_keys),
        "RAY_TMPDIR": rays,
    }
    if haproxy_mode.enabled():
        haproxy_launcher.write_script(Path(folder) / haproxy_launcher.SCRIPT)
    with (
        orphan_reaper.reaped_if_killed(folder),
        private_ray.environment(settings),
        new_ones_shut(),
        state_folder.in_use(kept, url, notify),
        forking_workers(folder, preloaded_modules.SERVE, preloaded_modules.of_replicas(config)),
    ):
        try:
            notify(state_folder.described(kept))
            notify("starting Ray…")
            requested = _requested_resources(config, deploy.applications[0].deployments)
            try:
                private_ray.start(
                    max(os.cpu_count() or 1, math.ceil(requested["CPU"])), rays, notify, metrics_port
                )
            except SystemExit:
                # Raised by ray.init's own SIGTERM handler, which stays installed.
                raise KeyboardInterrupt from None
            finally:
                listen()
            _check_resources(requested)
            notify("loading the models…")
            deploying.start_serve(deploy, config.logs, host, port, notify)
            deploying.run(application, config, deploy, notify)
            _check_edge(url, http)
            with spare_process.kept_ready():
                yield url
        finally:
            with undisturbed():
                _stop(rays)
                shutil.rmtree(folder, ignore_errors=True)


def authentication_at(host: str) -> Authentication:
    """Return the default authentication: on loopback alone no key is needed."""
    return "off" if is_loopback(host) else "required"


def answering_to(config: ServiceConfig, *hosts: str) -> ServiceConfig:
    """Add the name and the address that it listens at to `allowed_hosts`, wherever those count."""
    counts = config.allowed_hosts or config.authentication == "off"
    if not counts or not EVERYWHERE.keys().isdisjoint(hosts):
        return config
    names = dict.fromkeys(normalised(host) for host in hosts)
    return config.model_copy(update={"allowed_hosts": (*config.allowed_hosts, *names)})


def on_one_node(config: ServiceConfig) -> ServiceConfig:
    """Remove the labels that choose nodes: there is but one node, whatever it is called."""

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


def _check_edge(url: str, http: HTTPOptionsSchema) -> None:
    """Raise CannotStart where the process that listens has lost its limits, as with another Ray Serve."""
    try:
        edge_check.refuses_long_headers(url, tls.trusting(http.ssl_certfile) if http.ssl_certfile else None)
    except (OSError, edge_check.Unbounded) as error:
        raise CannotStart(f"{url} does not bound what strangers send: {error}") from error


def _check_resources(requested: dict[str, float]) -> None:
    there = ray.cluster_resources()
    for name, amount in requested.items():
        if amount > there.get(name, 0):
            raise CannotStart(
                f"the configuration requests {amount:g} {name} and this machine has {there.get(name, 0):g};"
                " on a cluster, deploy it with Ray's own `serve run`"
            )


def _stop(folder: str) -> None:
    started = ray_processes.started()
    if ray_processes.ended():
        # Serve and Ray would call what is dead, and wait for its answer.
        orphan_reaper.end_what_is_left(folder)
        ray_processes.reap(started)
        return
    # Serve kills its controller under a call that Ray then reports on our stdout.
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        if ray.is_initialized():
            with suppress(Exception):
                serve.shutdown()
        ray.shutdown()
    ray_processes.reap(started)


def _requested_resources(config: ServiceConfig, overrides: list[DeploymentSchema]) -> dict[str, float]:
    """Sum the logical resources of all replicas at their fewest.

    Autoscaling goes as far as there is room.
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
            # They replace all that the configuration says; an actor that names no CPUs gets one.
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
