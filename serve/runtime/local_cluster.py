"""Run the whole service on a private Ray of its own, on this machine, while a `with` block lasts."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import ray
from ray import serve
from ray.serve.schema import HTTPOptionsSchema, ServeDeploySchema

from ..app import build
from ..config import haproxy_mode
from ..config.access import Authentication
from ..config.host_names import is_loopback, normalised
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
    free_port,
    resolve,
    url_of,
)
from .one_machine import on_one_node, requested_resources
from .signals import listen, undisturbed
from .start_errors import CannotStart
from .waiting import Notify, reporting_progress


@contextmanager
def running(
    config: ServiceConfig,
    host: str,
    port: int,
    notify: Callable[[str], None] = lambda text: None,
    deploy: ServeDeploySchema | None = None,
    metrics_port: int | None = None,
) -> Iterator[str]:
    """Yield the service's address once its replicas run (GET /readyz says whether they can paint).

    `deploy` is the Serve file that `config` comes from. Port 0 takes a free one. Prometheus reads metrics at
    `metrics_port`, by default a free one. Leaving the block in any way stops everything that it started.
    Raises CannotStart, and RayEnded if Ray ends before the replicas run.
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
            "HAProxy reaches replicas only at 127.0.0.1: set --host to that or to 0.0.0.0, or set"
            f" {haproxy_mode.SWITCH}=0 to start Ray Serve's own proxies"
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
    # Under /tmp and short, since it holds sockets, whose paths have at most 107 characters. Its mode is 0700,
    # while Ray would open a folder of its own to all.
    folder = tempfile.mkdtemp(prefix="scenewright-", dir="/tmp")  # nosec B108
    rays = f"{folder}/ray"
    settings = {
        **private_ray.PRIVATE,
        **private_ray.at_rest(os.environ),
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
        forking_workers(folder, preloaded_modules.SERVE, preloaded_modules.of_replicas(config)) as forked,
    ):
        try:
            notify(state_folder.described(kept))
            notify("starting Ray…")
            requested = requested_resources(config, deploy.applications[0].deployments)
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
            notify("starting Ray Serve…")
            deploying.start_serve(deploy, config.logs, host, port, notify)
            notify("loading the models…")
            deploying.run(application, config, deploy, notify)
            _check_edge(url, http, notify)
            with spare_process.kept_ready(forked):
                yield url
        finally:
            with undisturbed():
                _stop(rays)
                shutil.rmtree(folder, ignore_errors=True)


def authentication_at(host: str) -> Authentication:
    """Return the default authentication: only on loopback is no key needed."""
    return "off" if is_loopback(host) else "required"


def answering_to(config: ServiceConfig, *hosts: str) -> ServiceConfig:
    """Add the service's own name and address to `allowed_hosts`, if that list is in use."""
    counts = config.allowed_hosts or config.authentication == "off"
    if not counts or not EVERYWHERE.keys().isdisjoint(hosts):
        return config
    names = dict.fromkeys(normalised(host) for host in hosts)
    return config.model_copy(update={"allowed_hosts": (*config.allowed_hosts, *names)})


def _check_edge(url: str, http: HTTPOptionsSchema, notify: Notify) -> None:
    """Raise CannotStart if the listening process has lost its limits, as with another Ray Serve version.

    A proxy that dies meanwhile is replaced, like one that dies later.
    """
    trusting = tls.trusting(http.ssl_certfile) if http.ssl_certfile else None
    try:
        with reporting_progress(notify, lambda: f"a response from {url}"):
            edge_check.wait_until_bounded(url, trusting, private_ray.LONGEST_START_S, ray_processes.check)
    except (OSError, edge_check.Unbounded) as error:
        raise CannotStart(f"{url} does not limit what callers may send: {error}") from error


def _check_resources(requested: dict[str, float]) -> None:
    there = ray.cluster_resources()
    for name, amount in requested.items():
        if amount > there.get(name, 0):
            raise CannotStart(
                f"the configuration requests {amount:g} {name}, but this machine has {there.get(name, 0):g};"
                " on a cluster, deploy it with Ray's own `serve run`"
            )


def _stop(folder: str) -> None:
    started = ray_processes.started()
    if ray_processes.ended():
        # Serve and Ray would call the dead processes, and wait for a response.
        orphan_reaper.end_what_is_left(folder)
        ray_processes.reap(started)
        return
    # Serve kills its controller during a call, which Ray then reports on our stdout.
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        if ray.is_initialized():
            with suppress(Exception):
                serve.shutdown()
        ray.shutdown()
    ray_processes.reap(started)
