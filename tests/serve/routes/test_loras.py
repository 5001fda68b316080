"""LoRAs that are added while the service runs: their files are read off the event loop."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.diffusion.model import lora_files
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import served
from tests.support.lora_files import write_lora
from tests.support.uploads import As

NAMED = {"prompt": "a", "num_inference_steps": 2, "loras": [{"name": "ink"}]}
PLACE = {"prompt": "b", "num_inference_steps": 2}
SCENE = {"character": NAMED, "background": PLACE}


@pytest.fixture
def client(config: ServiceConfig, graph: Graph, tmp_path: Path) -> httpx.AsyncClient:
    """Return a client of a service whose figures have a LoRA folder, which is empty at its start."""
    (tmp_path / "loras").mkdir()
    settings = config.generators["character"]
    model = replace(settings.generator.model, lora_folder=str(tmp_path / "loras"))
    figures = settings.model_copy(update={"generator": replace(settings.generator, model=model)})
    mine = config.model_copy(update={"character": figures, "state_dir": str(tmp_path / "state")})
    transport = httpx.ASGITransport(As(served(build_http(mine, graph)), "a"))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models", None),
        ("/v1/models/storybook-character", None),
        ("/v1/characters", NAMED),
        ("/v1/characters", NAMED | {"cutout": True}),
        ("/v1/scenes", SCENE),
        ("/v1/scenes", {"characters": [PLACE, NAMED], "background": PLACE}),
        ("/v1/images/generations", SCENE | {"prompt": "a scene"}),
        ("/v1/cast/mira/sheet", {"poses": [NAMED]}),
        ("/v1/jobs", {"scenes": [SCENE]}),
    ],
    ids=str,
)
async def test_a_new_file_is_not_read_on_the_event_loop(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, body: Any
) -> None:
    added = await client.post("/v1/cast", json={"name": "mira", "description": "a girl"})
    assert added.status_code == 201, added.text
    write_lora(tmp_path / "loras", "ink")
    hashed, readers = lora_files.file_hash, list[threading.Thread]()

    def noted(file: Path) -> str:
        readers.append(threading.current_thread())
        return hashed(file)

    monkeypatch.setattr(lora_files, "file_hash", noted)
    answer = await (client.get(path) if body is None else client.post(path, json=body))
    assert answer.status_code in (200, 202), answer.text
    assert [thread.name.rpartition("_")[0] for thread in readers] == ["lora-files"]
