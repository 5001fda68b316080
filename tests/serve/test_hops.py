"""Count the files of ours that one scene runs, so that its path stays short enough for one page."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import httpx
import pytest

from serve.http.http_telemetry import HttpMetrics, HttpTracing
from serve.ingress import build_http
from serve.telemetry.observed_replicas import ObservedBackground, ObservedCharacter
from tests.support.local_service import REPOSITORY, local_graph, served, simulated_config

MOST_FILES = 64
SCENE = {"character": "a knight in silver armor", "background": "a castle at sunset", "seed": 42}
STATIONS = re.findall(
    r"^\d+\. `([\w/]+\.py)`", (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8"), re.MULTILINE
)
NOT_SIMULATED = {"serve/ingress.py", "deployments/diffusion/model/pipeline_painter.py"}
"""The ingress runs before the request arrives, and a simulated painter replaces the model."""


@dataclass
class RunFiles:
    """Collects the files whose functions are called, in any thread that starts inside `watched`."""

    files: set[str] = field(default_factory=set)
    watching: bool = False

    def see(self, frame: FrameType, event: str, argument: object) -> None:
        if self.watching and event == "call":
            self.files.add(frame.f_code.co_filename)

    def ours(self) -> list[str]:
        """Return the product's files among them, as paths in the repository."""
        folders = [REPOSITORY / name for name in ("serve", "deployments")]
        paths = [Path(name) for name in self.files]
        own = [path for path in paths if any(folder in path.parents for folder in folders)]
        return sorted(str(path.relative_to(REPOSITORY)) for path in own)


@contextmanager
def watched() -> Iterator[RunFiles]:
    run, before = RunFiles(), sys.getprofile()
    threading.setprofile(run.see)
    sys.setprofile(run.see)
    try:
        yield run
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run a scene on the whole edge with new replicas, since threads that ran before would not be seen."""
    state_dir = str(tmp_path_factory.mktemp("state"))
    config = simulated_config().model_copy(update={"state_dir": state_dir})
    with watched() as run:
        graph = local_graph(config, ObservedCharacter, ObservedBackground)
        app = served(HttpTracing(HttpMetrics(build_http(config, graph))))

        async def paint() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.post("/v1/scenes", json=SCENE)

        run.watching = True
        response = asyncio.run(paint())
        run.watching = False
    assert response.status_code == 200
    return run.ours()


def test_a_scene_runs_few_files(files: list[str]) -> None:
    assert len(files) <= MOST_FILES, "\n".join(files)


@pytest.mark.parametrize("station", [each for each in STATIONS if each not in NOT_SIMULATED])
def test_a_scene_passes_each_station(files: list[str], station: str) -> None:
    assert station in files
