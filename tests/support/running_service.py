"""Inspect and use a real service: its replicas, scenes, events and metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import ray
import yaml
from ray.util import list_named_actors

from serve.config.service_config import ServiceConfig

SCENE = {"character": "a knight", "background": "a castle", "seed": 42}


def replica(deployment: str, starter: int | None = None) -> psutil.Process | None:
    """Return the replica's process among the descendants of the pid `starter` (this process by default)."""
    title = f"ray::ServeReplica:scenewright:{deployment}"
    for process in psutil.Process(starter).children(recursive=True):
        try:
            if "".join(process.cmdline()[:1]).startswith(title):  # Ray appends the running method.
                return process
        except psutil.Error:
            continue
    return None


def busy(deployment: str) -> bool:
    """Return whether the deployment's replica is handling a request, and not only queueing one."""
    names = [actor["name"] for actor in list_named_actors(all_namespaces=True)]
    name = next((name for name in names if f"#{deployment}#" in name), None)
    return name is not None and ray.get(
        ray.get_actor(name, namespace="serve").get_num_ongoing_requests.remote(), timeout=60
    )


EVENTS = {"Accept": "text/event-stream"}


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    assert response.status_code == 200, response.read()
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


REPOSITORY = Path(__file__).parents[2]


STEP_S = 0.05


def simulated_config(step_s: float = STEP_S) -> ServiceConfig:
    arguments = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]
    for kind in ("character", "background"):
        arguments[kind]["generator"]["simulated"]["step_s"] = step_s
        # The same scene is requested repeatedly, and must be painted each time.
        arguments[kind]["generator"]["generation"] = {"result_cache_bytes": 0}
    return ServiceConfig.model_validate(arguments)


AUTOSCALED = {"min_replicas": 1, "max_replicas": 1}


ONE_STEP_S = 0.2
"""With it the longest picture, of 150 steps, takes 30 s: a replica idle before that has been stopped."""
