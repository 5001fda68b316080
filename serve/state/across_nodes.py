"""Refuse a node-local store if the application's replicas run on several nodes that do not share it."""

from __future__ import annotations

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..config.service_config import ServiceConfig
from .node_local import Marks, fault, local_folders, look, mark

LOOK_S = 60.0


def home_of_jobs(config: ServiceConfig) -> Marks | None:
    """Mark the folders of jobs on this node, and check that all other nodes have the same.

    Returns None if no folder is needed, or before Ray runs: `scenewright serve` starts Ray on a single node.
    Raises ValueError with a sentence that says what to set.
    """
    jobs, state_dir = config.jobs, config.state_folder
    if not ray.is_initialized() or not local_folders(jobs, state_dir):
        return None
    try:
        home = mark(jobs, state_dir)
    except OSError as error:
        place = error.filename or state_dir
        raise ValueError(f"jobs cannot be kept: {place}: {error.strerror}") from error
    for here in _seen_elsewhere(config):
        if sentence := fault(jobs, state_dir, home, here):
            raise ValueError(sentence)
    return home


def check_here(config: ServiceConfig, home: Marks | None) -> None:
    """Raise RuntimeError if this replica's node does not have the same jobs as `home`."""
    jobs, state_dir = config.jobs, config.state_folder
    if not local_folders(jobs, state_dir) or (home is None and len(_nodes()) <= 1):
        return
    if sentence := fault(jobs, state_dir, home, look(jobs, state_dir)):
        raise RuntimeError(sentence)


def _seen_elsewhere(config: ServiceConfig) -> list[Marks]:
    """Return the marks that each other node sees. A node that does not respond is left to check_here."""
    mine = ray.get_runtime_context().get_node_id()
    glance = ray.remote(num_cpus=0, max_retries=0)(look)
    others = [NodeAffinitySchedulingStrategy(node, soft=False) for node in _nodes() if node != mine]
    lookups = [
        glance.options(scheduling_strategy=there).remote(config.jobs, config.state_folder) for there in others
    ]
    if not lookups:
        return []
    ready, _ = ray.wait(lookups, num_returns=len(lookups), timeout=LOOK_S)
    found = []
    for each in ready:
        try:
            found.append(ray.get(each))
        except ray.exceptions.RayError:  # The node is gone by now.
            continue
    return found


def _nodes() -> list[str]:
    """Return the ids of the live nodes; none without Ray."""
    if not ray.is_initialized():
        return []
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]
