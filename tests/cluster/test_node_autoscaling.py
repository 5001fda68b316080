"""Ray's autoscaler v2, and a provider that starts nodes on this machine: none, some under load, none."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray import serve as ray_serve
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID, FAKE_HEAD_NODE_TYPE
from ray.cluster_utils import Cluster

from serve.runtime.listen_address import free_port
from tests.support.drill_row import Row
from tests.support.node_policy import POLICY
from tests.support.polling import until
from tests.support.ray_cluster import Load, Service, graph, private_ray

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1200)]

IDLE_MINUTES = 0.1
FROM_ZERO = {
    "min_replicas": 0,
    "max_replicas": 1,
    "metrics_interval_s": 0.5,
    "look_back_period_s": 1.0,
    "upscale_delay_s": 0,
    "downscale_delay_s": 0,
}


def autoscaler_config(gcs_port: int) -> dict[str, Any]:
    gpu_node = {
        "resources": {"CPU": 2, "GPU": 1},
        "labels": {"accelerator": "gpu"},
        "min_workers": 0,
        "max_workers": 2,
        "node_config": {},
    }
    head = {"resources": {"CPU": 8}, "labels": {"accelerator": "none"}, "node_config": {}, "max_workers": 0}
    return {
        "cluster_name": "tests",
        "max_workers": 2,
        "idle_timeout_minutes": IDLE_MINUTES,
        "upscaling_speed": 100,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "gcs_address": f"127.0.0.1:{gcs_port}",
            "head_node_id": FAKE_HEAD_NODE_ID,
            "launch_multiple": True,
        },
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "initialization_commands": [],
        "setup_commands": [],
        "head_setup_commands": [],
        "worker_setup_commands": [],
        "head_start_ray_commands": [],
        "worker_start_ray_commands": [],
        "available_node_types": {FAKE_HEAD_NODE_TYPE: head, "gpu": gpu_node},
        "head_node_type": FAKE_HEAD_NODE_TYPE,
    }


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with private_ray(
        RAY_FAKE_CLUSTER="1", RAY_enable_autoscaler_v2="1", AUTOSCALER_UPDATE_INTERVAL_S="1"
    ) as folder:
        port = free_port()
        file = Path(folder) / "autoscaler.yaml"
        file.write_text(yaml.safe_dump(json.loads(json.dumps(autoscaler_config(port)))))
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 8,
                "labels": {"accelerator": "none"},
                "include_dashboard": False,
                "gcs_server_port": port,
                "autoscaling_config": str(file),
                # These identify the head to the provider, which did not start it.
                "env_vars": {
                    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
                    "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
                    "RAY_NODE_TYPE_NAME": FAKE_HEAD_NODE_TYPE,
                },
            },
        )
        try:
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
            yield Service()
        finally:
            ray_serve.shutdown()
            ray.shutdown()
            cluster.shutdown()


def gpu_nodes() -> int:
    return sum(node["Alive"] and node["Resources"].get("GPU", 0) > 0 for node in ray.nodes())


def test_from_no_gpu_node_to_some_and_back_without_a_failed_request(service: Service, row: Row) -> None:
    row.promises(
        "a load that needs two GPU nodes begins and ends",
        "0 failures; the nodes come back a minute, `idle_s` and their idle time after the last request",
    )
    service.deploy(graph(num_replicas=None, autoscaling=FROM_ZERO), POLICY)
    until(lambda: service.running("Ingress") == 1)
    until(lambda: gpu_nodes() == 0)
    with Load(service.url, callers=1) as load:
        until(lambda: gpu_nodes() == 2)
        until(lambda: load.responded >= 3, timeout_s=300)
    ended_at = time.monotonic()
    assert load.failed == {}
    until(lambda: service.running("Character") == service.running("Background") == 0)
    unneeded_s = time.monotonic() - ended_at
    until(lambda: gpu_nodes() == 0, timeout_s=300)
    stated = f"60 s, {POLICY['policy_kwargs']['idle_s']:g} s and {60 * IDLE_MINUTES:g} s"
    row.saw(
        f"{load.responded} of {load.responded} returned 200; of {stated}: the replicas were gone after"
        f" {unneeded_s:.1f} s, the nodes after {time.monotonic() - ended_at:.1f} s"
    )
