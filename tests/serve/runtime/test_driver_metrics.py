"""A process that starts Ray several times ends properly: no exporter thread outlives its Ray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serve.runtime import driver_metrics, private_ray

STARTS = 3
STARTS_AND_ENDS = f"""
import shutil
import tempfile
from pathlib import Path

import ray

from serve.runtime import private_ray


def unnamed():
    # Ray and gRPC name their threads, and an exporter's keeps the name of the process.
    names = [place.read_text() for place in Path("/proc/self/task").glob("*/comm")]
    return names.count(Path("/proc/self/comm").read_text())


for _ in range({STARTS}):
    folder = tempfile.mkdtemp(prefix="swx-", dir="/tmp")
    with private_ray.environment(private_ray.PRIVATE):
        private_ray.start(1, folder, lambda text: None)
        ray.shutdown()
    print(unnamed(), flush=True)
    shutil.rmtree(folder, ignore_errors=True)
print("all is done", flush=True)
"""


def node(*arguments: Any, **options: Any) -> dict[str, Any]:
    return {"node_manager_port": 1, "metrics_agent_port": 2, "metrics_export_port": 3}


def test_a_driver_sees_a_node_without_an_agent_while_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_metrics.services, "get_node", node)
    with driver_metrics.unexported():
        seen = driver_metrics.services.get_node("address", node_id="n")
        assert seen == {"node_manager_port": 1, "metrics_agent_port": 0, "metrics_export_port": 3}
    assert driver_metrics.services.get_node is node


def test_our_ray_is_started_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The patch is undone whether Ray starts or not."""
    seen: list[int] = []

    def init(**options: Any) -> None:
        seen.append(driver_metrics.services.get_node()["metrics_agent_port"])
        raise ConnectionError("no route")

    monkeypatch.setattr(driver_metrics.services, "get_node", node)
    monkeypatch.setattr(private_ray.ray, "init", init)
    with pytest.raises(private_ray.CannotStart):
        private_ray.start(1, str(tmp_path), print)
    assert seen == [0]
    assert driver_metrics.services.get_node is node


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_that_started_ray_again_and_again_ends_with_zero() -> None:
    """No thread is left; without `unexported` each start after the first leaves one, which may crash it."""
    ended = subprocess.run(
        [sys.executable, "-c", STARTS_AND_ENDS], capture_output=True, text=True, timeout=280, check=False
    )
    *threads, last = ended.stdout.splitlines()
    assert (ended.returncode, last) == (0, "all is done"), ended.stderr
    assert len(threads) == STARTS and len(set(threads)) == 1, threads
