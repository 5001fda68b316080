"""scripts/demo --keep serves on the usual port, and on no other if that is taken."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from serve.commands import demo
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.runtime import local_cluster
from tests.support.local_service import listening, served


class Seen(Exception):
    """Ends the demo once its address is known."""


@pytest.mark.parametrize(
    ("options", "port"), [((), 0), (("--keep",), 8000), (("--keep", "--port", "8123"), 8123)]
)
def test_the_port(
    options: tuple[str, ...], port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def running(config: Any, host: str, requested: int, say: Any, deploy: Any) -> None:
        seen.append((host, requested))
        raise Seen

    monkeypatch.setattr(local_cluster, "running", running)
    monkeypatch.setattr(demo.signals, "listen", lambda: None)
    CliRunner().invoke(demo.main, ["--output", str(tmp_path / "scene.jpg"), *options])
    assert seen == [("127.0.0.1", port)]


def test_a_taken_port_is_said_and_no_other_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo.signals, "listen", lambda: None)
    monkeypatch.setattr(local_cluster.private_ray, "start", lambda *given: pytest.fail("Ray was started"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(demo, "KEPT_PORT", port)
        result = CliRunner().invoke(demo.main, ["--output", str(tmp_path / "scene.jpg"), "--keep"])
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port\n"
    )


def test_a_scene_is_painted_and_its_stages_are_listed(
    config: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Run the whole demo except for the start of Ray."""

    @contextmanager
    def running(*given: Any) -> Iterator[str]:
        with listening(served(build_http(config, graph))) as url:
            yield url

    monkeypatch.setenv("SCENEWRIGHT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(local_cluster, "running", running)
    monkeypatch.setattr(demo.signals, "listen", lambda: None)
    result = CliRunner().invoke(demo.main, ["--output", str(tmp_path / "scene.jpg")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "scene.jpg").read_bytes().startswith(b"\xff\xd8")
    said = [line.split()[0] for line in result.output.splitlines()]
    stages = ["seconds", "queue", "encode", "denoise", "decode", "merge", "output", "start", "total"]
    assert said[said.index("painting…") + 1 :] == [
        str(tmp_path / "scene.jpg"),
        *stages,
        "simulated:",
        "stopped",
    ]
