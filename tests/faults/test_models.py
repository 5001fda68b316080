"""Weights that are damaged or missing: the real loader behind the real edge, in this process."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from deployments.character import Character
from deployments.diffusion.model.model_config import ModelConfig
from deployments.generator import GeneratorConfig
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.drill_row import Row
from tests.support.local_service import config, graph, local_handle, served
from tests.support.tiny_models import one_thread, tiny_sd1

__all__ = ["config", "graph", "one_thread", "tiny_sd1"]

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def write_sums(folder: Path) -> None:
    files = [file for file in folder.rglob("*") if file.is_file()]
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}\n" for file in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1_000])


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("fault", "damage"),
    [("missing", Path.unlink), ("cut short", cut_short), ("with a bit flipped", flip_a_bit)],
)
async def test_weights(
    tiny_sd1: Path,
    tmp_path: Path,
    config: ServiceConfig,
    graph: Graph,
    row: Row,
    fault: str,
    damage: Callable[[Path], object],
) -> None:
    row.promises(
        f"weights {fault}", "`/readyz` 503, naming the file; scenes 503 `not_ready`, nothing painted"
    )
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "my-model"))
    write_sums(folder)
    damage(folder / WEIGHTS)
    broken = local_handle(Character, GeneratorConfig(ModelConfig(str(folder), device="cpu")))
    app = served(build_http(config, replace(graph, character=broken)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        probe = await http.get("/readyz")
        requested = await http.post("/v1/scenes", json={"character": "a", "background": "b"})
        alive = await http.get("/healthz")
    assert alive.status_code == 200
    for response in (probe, requested):
        assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
        assert "unet" in response.json()["error"]["message"]
        assert str(tmp_path) not in response.text
    row.saw(f"503: {probe.json()['error']['message']}")
