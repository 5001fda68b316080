"""Test that the process table names processes by their purpose."""

from __future__ import annotations

import os

import pytest

from bench.start.process_table import name_of, processes


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("ray::ServeReplica:scenewright:Character", "replica Character"),
        (
            "ray::SERVE_REPLICA::scenewright#Merger#81i43b43:ServeReplica:scenewright:Merger.__init__",
            "replica Merger",
        ),
        ("ray::ServeController.listen_for_change", "Serve's controller"),
        ("ray::ProxyActor", "Serve's proxy"),
        ("ray::IDLE", "a spare worker"),
        ("ray::DashboardAgent", "Ray's metrics agent"),
        ("python -u /x/ray/dashboard/dashboard.py --host=127.0.0.1", "Ray's dashboard head"),
        ("python /x/ray/_private/log_monitor.py", "Ray's log monitor"),
        ("python /x/ray/autoscaler/_private/monitor.py", "Ray's autoscaler monitor"),
        (
            "/x/ray/core/src/ray/raylet/raylet --raylet_socket_name=a"
            " --python_worker_command=/x/python /x/worker_stub.py"
            " --dashboard_agent_command=/x/python -u /x/ray/dashboard/agent.py",
            "Ray's node",
        ),
        ("python -m serve.runtime.fork_server.server /tmp/a/fork-server", "the fork server"),
        ("sleep 3", "another"),
    ],
)
def test_process_is_named_by_its_command(command: str, name: str) -> None:
    assert name_of(command) == name


def test_the_root_is_the_driver_and_has_computed_and_holds_something() -> None:
    root = processes(os.getpid())[0]
    assert root.name == "the driver"
    assert root.cpu_s > 0
    assert root.pss_bytes > 1 << 20
