"""The end of Ray's processes is noticed, and none outlives its start."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray._private import worker

from scenewright import Scenewright
from serve.runtime import deploying, ray_processes, signals, wait_ready
from serve.runtime.start_errors import RayEnded
from tests.support.polling import until

ASLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture(params=["gcs_server", "raylet"])
def process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen]:
    """Yield one of the two processes that a service needs; the other one keeps running."""
    with subprocess.Popen(ASLEEP) as process, subprocess.Popen(ASLEEP) as other:
        started = {kind: [SimpleNamespace(process=other)] for kind in ("gcs_server", "raylet")}
        started[request.param] = [SimpleNamespace(process=process)]
        monkeypatch.setattr(worker, "_global_node", SimpleNamespace(all_processes=started))
        yield process
        process.kill()
        other.kill()


def test_nothing_ended_where_nothing_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_global_node", None)
    ray_processes.check()
    assert not ray_processes.ended()


def test_whatever_waits_ends_with_ray(process: subprocess.Popen, monkeypatch: pytest.MonkeyPatch) -> None:
    ray_processes.check()
    process.kill()
    process.wait(30)
    assert ray_processes.ended()
    with pytest.raises(RayEnded, match=r"^Ray's (node|control service) ended \(signal 9\), and the service"):
        signals.wait(ray_processes.check)
    with Scenewright("http://127.0.0.1:9") as service, pytest.raises(RayEnded):
        wait_ready.wait(service, ray_processes.check, settled_s=float("inf"))
    with pytest.raises(RayEnded):
        deploying._wait("scenewright")


def test_what_ray_ended_is_waited_for_and_what_goes_on_is_not(
    process: subprocess.Popen, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.kill()
    ray_processes.reap([process])
    assert process.returncode == -signal.SIGKILL
    monkeypatch.setattr(ray_processes, "REAPED_WITHIN_S", 0.01)
    ray_processes.reap(ray_processes.started())
    assert {each.returncode for each in ray_processes.started()} == {-signal.SIGKILL, None}


def test_a_node_lives_while_its_process_does(tmp_path: Path) -> None:
    assert not ray_processes.node_lives()
    raylet = tmp_path / "raylet"
    raylet.symlink_to(shutil.which("sleep") or "/bin/sleep")
    with subprocess.Popen([str(raylet), "60"]) as process:
        assert until(ray_processes.node_lives)
        process.kill()
        assert until(lambda: not ray_processes.node_lives()), "a zombie does not count as alive"
