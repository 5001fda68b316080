"""The whole service on a private Ray of its own, on this machine, for as long as a `with` block lasts."""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from typing import TypeVar

import ray
from ray import serve
from ray._private import ray_constants

from . import haproxy
from .app import build
from .config import ReplicaOptions, ServiceConfig
from .http.host_names import is_loopback, normalised
from .keys import Authentication
from .stopping import listen, undisturbed

EVERYWHERE = "0.0.0.0"  # noqa: S104 (it is only compared with)  # nosec B104
OBJECT_STORE_BYTES = 384 << 20
PRIVATE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Else a wedged replica gets 20 s to end gracefully, and holds its requests for as long.
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
    # Nothing of ours blocks a replica's event loop: it needs no second one for our code, nor a third for its
    # calls: up to a quarter more scenes a second (scripts/bench serve).
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",  # loopback only
}


AnyOptions = TypeVar("AnyOptions", bound=ReplicaOptions)


class CannotStart(RuntimeError):
    """Fit to be shown as it is."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    config: ServiceConfig, host: str, port: int, say: Callable[[str], None] = lambda text: None
) -> Iterator[str]:
    """The service's address, once its replicas run (GET /readyz tells whether they can paint).

    Leaving the block by any way stops everything that it started. Raises CannotStart.
    """
    if not haproxy.reaches_replicas_at(host):
        raise CannotStart(f"HAProxy asks replicas at 127.0.0.1: let --host be that, or {EVERYWHERE}")
    _check_port(host, port)
    if config.authentication == "auto":
        config = config.model_copy(update={"authentication": authentication_at(host)})
    config = on_one_node(answering_to(config, host))
    try:
        application = build(config)
    except ValueError as error:
        raise CannotStart(str(error)) from error
    # Under /tmp and short: sockets live in it, and a socket's path holds 107 characters. Mode 0700; Ray's
    # own it would open to all.
    folder = tempfile.mkdtemp(prefix="scenewright-", dir="/tmp")  # nosec B108
    rays = f"{folder}/ray"
    with _environment({**PRIVATE, **haproxy.private_settings(folder), "RAY_TMPDIR": rays}):
        try:
            say("starting Ray…")
            try:
                _start_ray(config, rays)
            except SystemExit:
                # Of ray.init's own SIGTERM handler, which it leaves behind too.
                raise KeyboardInterrupt from None
            finally:
                listen()
            say("loading the models…")
            serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port})
            serve.run(application, name="scenewright", route_prefix="/")
            yield f"http://{'127.0.0.1' if host == EVERYWHERE else host}:{port}"
        finally:
            with undisturbed():
                _stop()
                shutil.rmtree(folder, ignore_errors=True)


def authentication_at(host: str) -> Authentication:
    """What `auto` means at this address. HAProxy hides who asks, which does not matter where all are here."""
    if not is_loopback(host):
        return "required"
    return "off" if haproxy.enabled() else "auto"


def answering_to(config: ServiceConfig, host: str) -> ServiceConfig:
    """Add the name or address that it listens at to `allowed_hosts`, wherever those count."""
    counts = config.allowed_hosts or config.authentication == "off"
    if not counts or host == EVERYWHERE:
        return config
    return config.model_copy(update={"allowed_hosts": (*config.allowed_hosts, normalised(host))})


def on_one_node(config: ServiceConfig) -> ServiceConfig:
    """Nodes are not chosen by label where there is but one, whatever it is called."""

    def anywhere(options: AnyOptions) -> AnyOptions:
        return options.model_copy(update={"labels": {}})

    layers = {
        kind: layer.model_copy(update={"replicas": anywhere(layer.replicas)})
        for kind, layer in (("character", config.character), ("background", config.background))
    }
    others = {"merger": anywhere(config.merger), "ingress": anywhere(config.ingress)}
    return config.model_copy(update=layers | others)


def _start_ray(config: ServiceConfig, folder: str) -> None:
    asked = _asked_for(config)
    # Else Ray listens on every interface, and whoever reaches its ports runs code here (CVE-2023-48022). The
    # driver read the variable when ray was imported.
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            address="local",
            num_cpus=max(os.cpu_count() or 1, math.ceil(asked["CPU"])),
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
    except Exception as error:
        if "timed out during startup" not in str(error):  # Ray has no class for it.
            raise
        raise CannotStart("this machine is too busy: Ray did not start within its 30 s; try again") from error
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    there = ray.cluster_resources()
    for name, amount in asked.items():
        if amount > there.get(name, 0):
            raise CannotStart(
                f"the configuration asks for {amount:g} {name} and this machine has {there.get(name, 0):g};"
                " on a cluster, deploy it with Ray's own `serve run`"
            )


def _stop() -> None:
    # Serve kills its controller under a call that Ray then reports on our stdout.
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        if ray.is_initialized():
            with suppress(Exception):
                serve.shutdown()
        ray.shutdown()


def _asked_for(config: ServiceConfig) -> dict[str, float]:
    """Logical resources of all replicas at their fewest; autoscaling goes as far as there is room."""
    total = {"CPU": 0.0, "GPU": 0.0}
    for options in (
        config.character.replicas,
        config.background.replicas,
        config.merger,
        config.ingress,
        config.worker,
    ):
        asked = {"CPU": options.num_cpus, "GPU": options.num_gpus, "memory": options.memory_bytes or 0}
        for name, amount in {**asked, **options.resources}.items():
            total[name] = total.get(name, 0.0) + _replicas(options) * amount
    return total


def _replicas(options: ReplicaOptions) -> int:
    if options.autoscaling is None:
        return options.num_replicas or 1
    return max(1, int(options.autoscaling.get("min_replicas", 1)))


def _check_port(host: str, port: int) -> None:
    """Serve's proxies share a port with whoever has it, in silence; so it has to be tried first."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
            ) from error


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Ray reads these when it starts. RAY_ADDRESS would lead it to somebody else's cluster, and RAY_AUTH_MODE
    could leave its ports without a token."""
    before = dict(os.environ)
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        os.environ.pop(name, None)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
