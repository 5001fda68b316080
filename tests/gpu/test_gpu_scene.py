"""Paint a scene with the bundled models on the GPU, through the whole graph."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import torch
import yaml
from PIL import Image

from serve.config.service_config import ServiceConfig
from serve.ingress import build_http
from tests.support.local_service import REPOSITORY, local_graph, served

SCENE = {"character": "a knight in red armor", "background": "a castle at sunset", "seed": 42}


def config_on(device: str, state_dir: Path) -> ServiceConfig:
    """Return the configuration of serve/local.yaml with both models on the device."""
    data = yaml.safe_load((REPOSITORY / "serve/local.yaml").read_text())["applications"][0]["args"]
    for kind in ("character", "background"):
        data[kind]["generator"]["model"]["device"] = device
        data[kind]["defaults"] = {"num_inference_steps": 4}
    return ServiceConfig.model_validate(data | {"state_dir": str(state_dir), "authentication": "off"})


async def test_a_scene_is_painted_on_it(device: str, tmp_path: Path) -> None:
    config = config_on(device, tmp_path)
    app = served(build_http(config, local_graph(config)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=120) as http:
        response = await http.post("/v1/scenes", json=SCENE, headers={"Accept": "image/png"})
        again = await http.post("/v1/scenes", json=SCENE, headers={"Accept": "image/png"})
    assert response.status_code == 200, response.text
    assert response.headers["x-backend"] == "diffusers" and "x-degraded" not in response.headers
    picture = np.asarray(Image.open(io.BytesIO(response.content)))
    assert picture.shape == (512, 1024, 3) and picture.std() > 20
    assert again.content == response.content
    assert device == "cpu" or torch.cuda.max_memory_allocated() > 2**20
