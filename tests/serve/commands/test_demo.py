"""Serve scripts/demo --keep on the port that everything looks at, and on no other where that is taken."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from serve.commands import demo
from serve.runtime import local_cluster


class Seen(Exception):
    """Ends the demo once it is known where it would serve."""


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
