"""Start a private Ray on loopback, and wait for it as long as a slow machine needs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services

from ..graph.replica_calls import GRPC_SETTINGS
from ..http import proxy_hook
from . import agent_ports, node_lookups, proxy_exceptions, spare_process
from .driver_metrics import unexported
from .needed_processes import needed_processes_alone
from .orphan_reaper import end_what_is_left
from .ray_processes import node_lives, reap, started_before
from .start_errors import CannotStart
from .waiting import Notify, reporting_progress
from .yielding_agents import yielding_agents

OBJECT_STORE_BYTES = 384 << 20
LONGEST_START_S = 300.0
ATTEMPTS = 6
POLL_S = 0.2
PATIENT = {
    # Ray's own limits are 30 s, 30 s, 60 s and 5 s. After them it ends what is still starting.
    "RAY_gcs_server_port_wait_time_s": f"{LONGEST_START_S:.0f}",
    "RAY_agent_register_timeout_ms": f"{LONGEST_START_S * 1e3:.0f}",
    "RAY_worker_register_timeout_seconds": f"{LONGEST_START_S:.0f}",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
}
PRIVATE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Otherwise a wedged replica gets 20 s to end gracefully, and holds its requests for as long.
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
    # None of our code blocks a replica's event loop, so it needs no second one for our code and no third for
    # its calls. This gives up to a quarter more scenes a second (scripts/bench serve).
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    **GRPC_SETTINGS,
    ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",  # loopback only
    # How large the log of one replica may get, and how many full ones are kept beside it.
    "RAY_ROTATION_MAX_BYTES": str(16 << 20),
    "RAY_ROTATION_BACKUP_COUNT": "2",
    # The driver need not wait for the first workers, which are still importing.
    "RAY_prestart_worker_first_driver": "0",
    **proxy_hook.HOOK,
    **spare_process.SETTINGS,
    # A proxy that has died is noticed at the third check, and until then nobody listens.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "0.2",
    **PATIENT,
    # A private control service does not come back, so its callers give up after this time instead of after a
    # minute.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "8",
}

UNLESS_SET = {
    **node_lookups.HOOK,
    # How often counts and gauges are passed on. They are sent every ten seconds. Ray's own 100 ms wake each
    # replica ten times a second for itself, and as often for each handle that it has.
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
}
"""Settings that save work in an idle service, unless the user's environment sets them."""


def at_rest(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of UNLESS_SET that this environment does not set."""
    return {name: value for name, value in UNLESS_SET.items() if name not in environment}


def start(num_cpus: int, folder: str, notify: Notify, metrics_port: int | None = None) -> None:
    """Start Ray with its sessions in `folder`, again if it timed out. Raises CannotStart.

    `metrics_port` is where Prometheus reads its metrics; None takes a free port.
    """
    # Otherwise Ray listens on every interface, and anyone who calls its ports can run code here
    # (CVE-2023-48022). The driver read the variable when ray was imported.
    ray_constants.ENABLE_RAY_CLUSTER = False
    begun = time.monotonic()
    with (
        reporting_progress(notify, lambda: _starting(Path(folder))),
        patient_for_the_node(),
        agent_ports.announced_ports(),
        needed_processes_alone(),
        yielding_agents(),
        unexported(),
    ):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _start_once(num_cpus, folder, metrics_port)
                break
            except Exception as error:
                failure = _failure(Path(folder), begun, error)
                late = "timed out" in str(error) and time.monotonic() - begun < LONGEST_START_S
                if attempt == ATTEMPTS or not late:
                    raise failure from error
                # Ray's node ends itself if its helpers take longer than a limit that cannot be set.
                notify(
                    "this machine is busy, and Ray gave up waiting for its own processes: starting it again…"
                )
                end_what_is_left(folder)
                reap(started_before(error))
    logging.getLogger("ray.serve").setLevel(logging.ERROR)


def _start_once(num_cpus: int, folder: str, metrics_port: int | None) -> None:
    ray.init(
        address="local",
        num_cpus=num_cpus,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
        _metrics_export_port=metrics_port,
    )


def _failure(folder: Path, begun: float, error: Exception) -> CannotStart:
    waited_s, what = time.monotonic() - begun, _starting(folder)
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if "timed out" in reason.lower():
        reason = f"this machine is too busy: {reason}"
    return CannotStart(f"Ray did not start in {waited_s:.0f} s, while waiting for {what}: {reason}")


def _starting(folder: Path) -> str:
    """Return which of Ray's processes is not up yet, judging by the files in its folder."""
    session = folder / "session_latest"
    with suppress(OSError):
        if any((session / "logs").glob("raylet.*")):
            return "Ray's node to register"
        if session.exists():
            return "Ray's control service to listen"
    return "Ray's first process to start"


@contextmanager
def patient_for_the_node() -> Iterator[None]:
    """Make ray.init wait for its node longer than the usual 30 s, while the node's process lives."""
    get_node: Callable[..., Any] = services.get_node
    deadline = time.monotonic() + LONGEST_START_S

    def ping_until_it_registers(*arguments: Any, **options: Any) -> Any:
        while True:
            try:
                return get_node(*arguments, **options)
            except RuntimeError:
                if time.monotonic() > deadline or not node_lives():
                    raise
            time.sleep(POLL_S)

    services.get_node = ping_until_it_registers
    try:
        yield
    finally:
        services.get_node = get_node


@contextmanager
def environment(changes: dict[str, str]) -> Iterator[None]:
    """Set the variables that Ray reads when it starts, and unset those that it must not read.

    RAY_ADDRESS would lead it to another cluster, and RAY_AUTH_MODE could leave its ports without a token. The
    user's HTTP proxy would get the calls between its replicas.
    """
    before = dict(os.environ)
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        os.environ.pop(name, None)
    os.environ.update(proxy_exceptions.for_grpc(os.environ) | changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
