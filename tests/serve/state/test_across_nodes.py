"""Building the application and checking replicas by the nodes; tests/cluster/test_pods.py has real nodes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serve.app import build
from serve.config.job_config import JobConfig
from serve.config.service_config import ServiceConfig
from serve.state import across_nodes
from serve.state.across_nodes import check_here, home_of_jobs
from serve.state.node_local import Marks, look
from tests.support.built import deployments_of

REMOTE = JobConfig(database="postgresql+psycopg://me@db/scenes", pictures="s3://bucket/scenes")
ELSEWHERE = Marks(machine="another", database=None, pictures=None)


def config(state: Path, jobs: JobConfig | None = None) -> ServiceConfig:
    return ServiceConfig(state_dir=str(state), jobs=jobs or JobConfig())


def cluster(monkeypatch: pytest.MonkeyPatch, nodes: int, dead: int = 0) -> None:
    """Fake a Ray with so many nodes, as far as the code needs it."""
    listed: list[Any] = [{"NodeID": str(i), "Alive": i < nodes} for i in range(nodes + dead)]
    ray = SimpleNamespace(is_initialized=lambda: True, nodes=lambda: listed)
    monkeypatch.setattr(across_nodes, "ray", ray)


def test_before_ray_runs_nothing_is_marked(tmp_path: Path) -> None:
    assert home_of_jobs(config(tmp_path)) is None
    assert not list(tmp_path.iterdir())
    check_here(config(tmp_path), None)


def test_one_node_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, 1, dead=1)
    monkeypatch.setattr(across_nodes, "_seen_elsewhere", lambda config: [])
    home = home_of_jobs(config(tmp_path))
    assert home == look(JobConfig(), tmp_path)
    check_here(config(tmp_path), home)
    check_here(config(tmp_path), None)


def test_another_node_without_the_folder_keeps_the_application_from_being_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(monkeypatch, 2)
    monkeypatch.setattr(across_nodes, "_seen_elsewhere", lambda config: [ELSEWHERE])
    with pytest.raises(ValueError, match="jobs would be lost between nodes"):
        home_of_jobs(config(tmp_path))
    assert home_of_jobs(config(tmp_path, REMOTE)) is None
    same = look(JobConfig(), tmp_path)
    monkeypatch.setattr(across_nodes, "_seen_elsewhere", lambda config: [same])
    assert home_of_jobs(config(tmp_path)) == same


def test_a_replica_on_a_node_that_came_later_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(monkeypatch, 1)
    monkeypatch.setattr(across_nodes, "_seen_elsewhere", lambda config: [])
    home = home_of_jobs(config(tmp_path))
    for child in (tmp_path / "pictures", tmp_path):
        (child / ".scenewright-folder").unlink()
    with pytest.raises(RuntimeError, match="jobs would be lost between nodes"):
        check_here(config(tmp_path), home)
    check_here(config(tmp_path, REMOTE), None)


def test_an_application_that_was_built_without_ray_is_refused_by_several_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(monkeypatch, 2)
    with pytest.raises(RuntimeError, match="jobs would be lost between nodes"):
        check_here(config(tmp_path), None)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"jobs cannot be kept: .*file"):
        home_of_jobs(config(tmp_path / "file" / "state"))


def test_both_that_accept_and_paint_jobs_get_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Marks(machine="m", database="d", pictures="p")
    monkeypatch.setattr("serve.app.home_of_jobs", lambda config: home)
    graph = deployments_of(build(config(tmp_path)))
    assert home in graph["Ingress"].init_args and home in graph["JobWorker"].init_args
