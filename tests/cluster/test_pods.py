"""kubernetes/base as it ships, on a head's pod and a worker's pod with disks of their own.

The Serve configuration is the manifest's, but for simulated generators, shorter leases, and no keys.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray
import yaml
from ray import serve as ray_serve
from sqlalchemy import Engine

from serve.runtime.listen_address import free_port
from tests.support.databases import clear, postgres
from tests.support.drill_row import Row
from tests.support.pods import REPOSITORY, Pod, can_mount
from tests.support.polling import until
from tests.support.ray_cluster import Service, private_ray

__all__ = ["postgres"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_mount(), reason="needs root, to give processes disks of their own"),
]
STARTS = 3
"""How often a node is started: on a busy machine it may give up waiting for its own helpers."""
SCENES = 24
LEASE_S = 3.0


def arguments() -> dict[str, Any]:
    manifest = yaml.safe_load((REPOSITORY / "kubernetes/base/rayservice.yaml").read_text())
    args: dict[str, Any] = yaml.safe_load(manifest["spec"]["serveConfigV2"])["applications"][0]["args"]
    for kind in ("character", "background"):
        args[kind]["generator"] |= {"backend": "simulated", "simulated": {"step_s": 0.02}}
    return args | {"authentication": "off", "jobs": {"lease_s": LEASE_S}}


class Cluster:
    """A head that paints nothing, and a worker that can be killed and replaced."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._port = folder, free_port()
        self._state = folder / "state"
        self._state.mkdir()
        self._environment = {**environment, "SCENEWRIGHT_STATE_DIR": str(self._state)}
        self._pods: list[Pod] = []

    def begin(self) -> None:
        alone = ("--num-cpus=0", "--include-dashboard=false")
        for _ in range(STARTS):
            head = self.start("--head", f"--port={self._port}", f"--temp-dir={self._folder}/ray", *alone)
            until(lambda head=head: head.ended or self._connected(), timeout_s=200)  # type: ignore[misc]
            if ray.is_initialized():
                self.worker = self.start_worker()
                return
        raise AssertionError("the head's node gave up at each start")

    def start(self, *options: str) -> Pod:
        log = self._folder / f"pod-{len(self._pods)}.log"
        pod = Pod(self._state, log, self._environment, *options)
        self._pods.append(pod)
        return pod

    def start_worker(self) -> Pod:
        """Start the worker's node; if it gives up, start it again, as KubeRay does."""
        address = f"--address=127.0.0.1:{self._port}"
        before = living()
        for _ in range(STARTS):
            pod = self.start(address, "--num-cpus=4", f"--memory={8 << 30}", "--labels=accelerator=none")
            until(lambda pod=pod: pod.ended or living() - before, timeout_s=200)  # type: ignore[misc]
            if not pod.ended:
                return pod
        raise AssertionError("the worker's node gave up at each start")

    def logs(self) -> str:
        """Return the end of each pod's log, for a test that fails."""
        return "\n".join(
            f"{log.name}: {log.read_text(errors='replace')[-2_000:]}"
            for log in sorted(self._folder.glob("pod-*.log"))
        )

    def stop(self) -> None:
        for pod in reversed(self._pods):
            pod.kill()

    def _connected(self) -> bool:
        try:
            # Ray itself waits for more than a minute if nothing listens, or if the node has ended.
            socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
            ray.init(address=f"127.0.0.1:{self._port}", namespace="serve", log_to_driver=False)
        except (OSError, RuntimeError):
            return False
        return True


def living() -> set[str]:
    """Return the ids of the nodes that Ray considers alive."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


@contextmanager
def pods(**environment: str) -> Iterator[Cluster]:
    with private_ray(RAY_AUTH_MODE="disabled") as folder:
        cluster = Cluster(Path(folder), environment)
        try:
            cluster.begin()
            yield cluster
        except BaseException:
            print(cluster.logs())
            raise
        finally:
            if ray.is_initialized():
                ray_serve.shutdown()
                ray.shutdown()
            cluster.stop()


def test_without_what_it_needs_the_base_does_not_start(row: Row) -> None:
    row.promises("kubernetes/base without the Secret's settings", "the start fails, with what to set")
    with pods():
        service = Service()
        service.deploy(arguments())
        until(lambda: service.status() in ("DEPLOY_FAILED", "RUNNING"))
        assert service.status() == "DEPLOY_FAILED"
        said = ray_serve.status().applications["scenewright"].message.strip().splitlines()[-1]
        for word in ("jobs would be lost between nodes", "SCENEWRIGHT_DATABASE", "SCENEWRIGHT_PICTURES"):
            assert word in said
        job = httpx.post(f"{service.url}/v1/jobs", json=job_of(1), trust_env=False)
        assert job.status_code == 404, "no job is accepted that could not be painted"
    row.saw(said.partition(": ")[2][:90] + "…")


def test_a_workers_pod_is_killed_and_replaced(postgres: Engine, row: Row, tmp_path: Path) -> None:
    row.promises("kubernetes/base's worker pod killed midway, and replaced", "no job is lost")
    clear(postgres)
    database = postgres.url.render_as_string(hide_password=False)
    with pods(SCENEWRIGHT_DATABASE=database, SCENEWRIGHT_PICTURES=str(tmp_path)) as cluster:
        service = Service()
        service.deploy(arguments())
        until(service.ready)
        with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http:
            accepted = http.post("/v1/jobs", json=job_of(SCENES))
            assert accepted.status_code == 202, accepted.text
            job = f"/v1/jobs/{accepted.json()['id']}"
            until(lambda: http.get(job).json()["done"] >= 4)
            assert http.get(job).json()["status"] == "running"
            cluster.worker.kill()
            lost_at = done(http, job)
            cluster.start_worker()
            until(lambda: (done(http, job) or 0) == SCENES, 300)
            scenes = http.get(job).json()["scenes"]
            assert [scene["status"] for scene in scenes] == ["succeeded"] * SCENES
            assert all(http.get(f"{job}/scenes/{i}").status_code == 200 for i in range(SCENES))
    assert lost_at is None, "the edge was in the killed pod as well"
    row.saw(f"{SCENES} of {SCENES} scenes of a job that was accepted before")


def job_of(scenes: int) -> dict[str, Any]:
    return {"scenes": [{"character": "a", "background": "b", "seed": seed} for seed in range(scenes)]}


def done(http: httpx.Client, job: str) -> int | None:
    """Return how many scenes are done; None if the request fails."""
    try:
        response = http.get(job, timeout=5)
    except httpx.TransportError:
        return None
    return int(response.json()["done"]) if response.status_code == 200 else None
