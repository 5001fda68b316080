"""Send requests to the service of the fault drill, and change its replicas from outside."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import ray
from ray.exceptions import RayActorError
from ray.util import list_named_actors

BODY_TIMEOUT_S = 1.0


LEASE_S = 3.0


WEDGED_AFTER_S = 2.0


REPLICAS = {"Character": 2, "Background": 2, "Merger": 2, "Ingress": 2, "JobWorker": 1}


def scene(steps: int = 2, **more: Any) -> dict[str, Any]:
    layers = {kind: {"prompt": "x", "num_inference_steps": steps} for kind in ("character", "background")}
    return {**layers, "seed": 42, "merge": {"width": 256, "height": 128}, **more}


def requested(http: httpx.Client, pool: ThreadPoolExecutor, **request: Any) -> Future[httpx.Response]:
    return pool.submit(http.post, "/v1/scenes", json=scene(**request))


def replicas(deployment: str) -> list[str]:
    """Return the names of the actors of a deployment's replicas."""
    actors = list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in actors if f"#{deployment}#" in actor["name"]]


def at_work(deployment: str) -> str | None:
    """Return the name of one of the deployment's replicas that is handling a request."""
    return next((name for name in replicas(deployment) if ongoing(name)), None)


def ongoing(name: str) -> int:
    """Count a replica's requests; 0 if it has just died, since Ray lists it a while longer."""
    try:
        return int(ray.get(actor(name).get_num_ongoing_requests.remote(), timeout=30))
    except (RayActorError, ValueError):
        return 0


def painting() -> int:
    """Return how many layers are being painted now."""
    return sum(ongoing(name) for kind in ("Character", "Background") for name in replicas(kind))


def actor(name: str) -> Any:
    return ray.get_actor(name, namespace="serve")


def change(name: str, act: Callable[[Any], Any]) -> None:
    """Call `act` on the object that a replica's actor serves, in the actor's process.

    `act` must be a nested function or a lambda: those are pickled whole; replicas cannot import the tests.
    """
    ray.get(
        actor(name).__ray_call__.remote(
            lambda replica: act(replica._replica_impl._user_callable_wrapper.user_callable)
        ),
        timeout=30,
    )


def full_strength(expected: dict[str, int] = REPLICAS) -> bool:
    """Return whether all replicas run, by live actors and by Serve, which notices a death seconds later."""
    from ray import serve

    deployments = serve.status().applications["scenewright"].deployments
    return expected == {
        name: len(replicas(name))
        for name, reported in deployments.items()
        if {str(getattr(state, "value", state)): n for state, n in reported.replica_states.items()}
        == {"RUNNING": len(replicas(name))}
    }
