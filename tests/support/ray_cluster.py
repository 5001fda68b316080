"""Run Ray clusters of several nodes on this machine, with logical GPUs and simulated generators."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
import pytest
import ray
import yaml
from ray import serve as ray_serve
from ray.cluster_utils import Cluster
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema
from ray.util import list_named_actors

from serve.config.serve_file import SHIPPED_FOLDER
from serve.runtime.driver_metrics import unexported
from serve.runtime.listen_address import free_port
from serve.runtime.private_ray import PATIENT, patient_for_the_node
from tests.support.polling import until

APPLICATION = "scenewright"


SCENE = {"character": "a knight", "background": "a castle", "output": {"format": "jpeg", "quality": 60}}


QUICK = {
    **PATIENT,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # A dead node refuses connections, and counts as dead after three checks; a slow one gets more time.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "20000",
    "RAY_health_check_failure_threshold": "3",
}


@contextmanager
def private_ray(**environment: str) -> Iterator[str]:
    """Isolate a Ray cluster from all others, and clean up after it. Yields its folder."""
    folder = tempfile.mkdtemp(prefix="swc-", dir="/tmp")  # A short path, since it holds sockets.
    with pytest.MonkeyPatch.context() as patch, unexported(), patient_for_the_node():
        patch.delenv("RAY_ADDRESS", raising=False)
        for name, value in {**QUICK, **environment, "RAY_TMPDIR": folder}.items():
            patch.setenv(name, value)
        patch.setattr(tempfile, "tempdir", folder)
        try:
            yield folder
        finally:
            if ray.is_initialized():
                ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def graph(step_s: float = 0.02, **replicas: Any) -> dict[str, Any]:
    """Return the arguments of serve/simulated.yaml, with one logical GPU for each generator."""
    content = yaml.safe_load((SHIPPED_FOLDER / "simulated.yaml").read_text())
    arguments: dict[str, Any] = content["applications"][0]["args"] | {"authentication": "off"}
    for kind in ("character", "background"):
        arguments[kind]["generator"]["simulated"] |= {"step_s": step_s}
        arguments[kind]["replicas"] |= {
            "num_gpus": 1,
            "labels": {"accelerator": "gpu"},
            "max_ongoing_requests": 32,
            **copy.deepcopy(replicas),
        }
    arguments["merger"]["labels"] = arguments["ingress"]["labels"] = {"accelerator": "!gpu"}
    return arguments


class Service:
    """The application on a cluster, deployed as `serve deploy` does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ray_serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": self.port})

    def deploy(self, arguments: dict[str, Any], policy: dict[str, Any] | None = None) -> None:
        application: dict[str, Any] = {
            "name": APPLICATION,
            "import_path": "serve.app:build",
            "route_prefix": "/",
            "args": arguments,
        }
        if policy is not None:
            application["autoscaling_policy"] = policy
        client = _get_global_client()
        client.deploy_apps(ServeDeploySchema.model_validate({"applications": [application]}))

    def status(self) -> str:
        application = ray_serve.status().applications.get(APPLICATION)
        return application.status if application else "NOT_STARTED"

    def running(self, deployment: str) -> int:
        application = ray_serve.status().applications.get(APPLICATION)
        if application is None or deployment not in application.deployments:
            return 0
        return application.deployments[deployment].replica_states.get("RUNNING", 0)

    def replicas(self, deployment: str) -> dict[str, Any]:
        """Return the actors of a deployment's replicas, by name."""
        names = [actor["name"] for actor in list_named_actors(all_namespaces=True)]
        ours = [name for name in names if name.startswith(f"SERVE_REPLICA::{APPLICATION}#{deployment}#")]
        return {name: ray.get_actor(name, namespace="serve") for name in ours}

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False


class Load:
    """Callers that request the next scene once they have the last; `responses` counts the outcomes."""

    def __init__(self, url: str, callers: int, scene: dict[str, Any] = SCENE) -> None:
        self._url = url
        self._scene = scene
        self.responses: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def responded(self) -> int:
        return self.responses["200"]

    @property
    def failed(self) -> dict[str, int]:
        return {response: count for response, count in self.responses.items() if response != "200"}

    def until_more(self, responses: int) -> None:
        """Wait until so many more requests have succeeded, or one has failed."""
        enough = self.responded + responses
        until(lambda: self.responded >= enough or self.failed)

    def _call(self) -> None:
        with httpx.Client(base_url=self._url, timeout=120, trust_env=False) as http:
            while not self._stop.is_set():
                try:
                    response = http.post("/v1/scenes", json=self._scene)
                    outcome = (
                        "200"
                        if response.status_code == 200
                        else f"{response.status_code}: {response.text[:300]}"
                    )
                except httpx.TransportError as error:
                    outcome = type(error).__name__
                self.responses[outcome] += 1


@contextmanager
def cluster_of(*nodes: dict[str, Any]) -> Iterator[tuple[Cluster, list[Any]]]:
    """Start a cluster with a head without a GPU, and the given nodes."""
    with private_ray():
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 8, "labels": {"accelerator": "none"}, "include_dashboard": False},
        )
        try:
            started = [cluster.add_node(**{"include_dashboard": False, **node}) for node in nodes]
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
            yield cluster, started
        finally:
            ray_serve.shutdown()
            ray.shutdown()
            cluster.shutdown()


def visible_gpus(actor: Any) -> str:
    """Return CUDA_VISIBLE_DEVICES in the replica's process."""
    return str(ray.get(actor.__ray_call__.remote(lambda _: os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))))


def node_of(actor: Any) -> str:
    return str(ray.get(actor.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id())))
