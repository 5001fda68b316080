"""cluster.yaml against the schema of Ray's cluster launcher, and against what gpu.yaml requires of nodes."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from serve.http import haproxy_launcher, proxy_hook

REPOSITORY = Path(__file__).parents[2]
PROVIDER_KEYS = {
    "type",
    "region",
    "availability_zone",
    "cache_stopped_nodes",
    "security_group",
    "use_internal_ips",
}
"""Ray's schema allows any key here."""


@pytest.fixture
def launcher() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    return content


def test_ray_takes_it(launcher: dict[str, Any]) -> None:
    jsonschema.validate(launcher, json.loads((files("ray.autoscaler") / "ray-schema.json").read_text()))
    validate_config(prepare_config(launcher))
    assert launcher["provider"].keys() <= PROVIDER_KEYS


def test_a_misspelt_key_is_refused(launcher: dict[str, Any]) -> None:
    launcher["max_worker"] = 3
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config(launcher))


def test_the_head_paints_nothing_and_gpu_nodes_may_be_none(launcher: dict[str, Any]) -> None:
    types = launcher["available_node_types"]
    assert types[launcher["head_node_type"]]["resources"]["GPU"] == 0
    for name in ("character_gpu", "background_gpu"):
        assert types[name]["resources"]["GPU"] == 1
        assert types[name]["min_workers"] < types[name]["max_workers"]
    assert sum(node.get("max_workers", 0) for node in types.values()) <= launcher["max_workers"]


def test_gpu_yaml_finds_the_nodes_that_it_requests(launcher: dict[str, Any]) -> None:
    config = yaml.safe_load((REPOSITORY / "serve/gpu.yaml").read_text())["applications"][0]["args"]
    types = launcher["available_node_types"].values()
    for kind in ("character", "background"):
        options = config[kind]["replicas"]
        room = sum(
            node["max_workers"]
            for node in types
            if node["labels"].get("accelerator") == options["labels"]["accelerator"]
            and node["resources"]["GPU"] >= options["num_gpus"]
            and node["resources"]["CPU"] >= options["num_cpus"]
        )
        assert room >= options["autoscaling"]["max_replicas"]
    others = [node for node in types if node["labels"]["accelerator"] != "gpu"]
    needed = sum(config[name]["num_replicas"] * config[name]["num_cpus"] for name in ("merger", "ingress"))
    assert sum(node["resources"]["CPU"] * max(1, node.get("max_workers", 1)) for node in others) >= needed


@pytest.mark.parametrize("commands", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_every_listening_process_of_a_node_is_bounded(launcher: dict[str, Any], commands: str) -> None:
    start = launcher[commands][-1]
    for setting in (
        "RAY_SERVE_ENABLE_HA_PROXY=1",
        f"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH={proxy_hook.IMPORT_PATH}",
        f"RAY_SERVE_HAPROXY_BINARY_PATH=/home/ubuntu/scenewright/.venv/bin/{haproxy_launcher.SCRIPT}",
    ):
        assert f" {setting} " in start
