"""Serve all pages of the documentation: at one address without a key, at another with one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.ingress import build_http
from tests.support.local_service import SIMULATED, listening, local_graph, served, with_worker
from tests.support.lora_files import write_lora
from tests.support.polling import until
from tests.support.story_requests import story

MODEL = {
    "source": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "ip_adapter": {"source": "h94/IP-Adapter", "image_encoder": "h94/IP-Adapter"},
    "pose_controlnet": "lllyasviel/control_v11p_sd15_openpose",
}
"""The simulated generator reads only the names, to decide which options requests may use."""
FRAME = {"width": 256, "height": 128}
SMALL = {
    "character": {"num_inference_steps": 3, "width": 96, "height": 128},
    "background": {"num_inference_steps": 3, "width": 128, "height": 96},
}
WEBHOOKS = {"allowed_hosts": ["hooks.example.com", "stories.example.com"]}
LORAS = ("watercolor", "ink")
LAYERS = ("character", "background")
SCENE = {"character": "a king", "background": "a meadow"}


@dataclass(frozen=True)
class DocumentedService:
    """`url` needs no key; `keyed` is the address that requires one, such as `key`. Both share `state`."""

    url: str
    keyed: str
    key: str
    state: Path

    def story(self, url: str) -> str:
        """Return the id of a new story of four pages, once they are painted."""
        with self._http(url) as http:
            kept = http.post("/v1/stories", json=story(4))
            kept.raise_for_status()
            story_id: str = kept.json()["id"]
            until(lambda: http.get(f"/v1/stories/{story_id}").json()["status"] == "succeeded")
        return story_id

    def job(self, url: str) -> str:
        """Return the id of a new job, once its scene is painted."""
        with self._http(url) as http:
            job_id: str = http.post("/v1/jobs", json={"scenes": [SCENE]}).json()["id"]
            assert '"succeeded"' in http.get(f"/v1/jobs/{job_id}/events").text
        return job_id

    def token(self) -> str:
        """Return a token for a web page, minted with the key."""
        with self._http(self.keyed) as http:
            minted = http.post("/v1/tokens", json={})
        minted.raise_for_status()
        token: str = minted.json()["token"]
        return token

    def forget_the_cast(self) -> None:
        """Remove the cast member that every page creates under the same name."""
        for url in (self.url, self.keyed):
            with self._http(url) as http:
                http.delete("/v1/cast/mira")

    def _http(self, url: str) -> httpx.Client:
        key = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=url, headers=key, timeout=60, trust_env=False)


@contextmanager
def documented_service(folder: Path) -> Iterator[DocumentedService]:
    """Run the service with its state and its LoRAs in `folder`."""
    for seed, name in enumerate(LORAS):
        write_lora(folder / "loras", name, seed)
    open_service = _config(folder)
    required = open_service.model_copy(update={"authentication": "required"})
    graph = local_graph(open_service)
    _, key = open_keys(folder / "state").create("a game", ("generate", "jobs"))
    with (
        with_worker(open_service, graph) as url,
        listening(served(build_http(required, graph))) as keyed,
    ):
        yield DocumentedService(url, keyed, key, folder / "state")


def _config(folder: Path) -> ServiceConfig:
    settings: dict[str, Any] = {**SIMULATED, "authentication": "off", "webhooks": WEBHOOKS, "merge": FRAME}
    quick = {"step_s": 0.001, "encode_s": 0.0, "decode_s": 0.0}
    for kind in LAYERS:
        generator = {"backend": "simulated", "model": MODEL, "simulated": quick}
        settings[kind] = {**SIMULATED[kind], "generator": generator, "defaults": SMALL[kind]}
    config = ServiceConfig.model_validate({**settings, "state_dir": str(folder / "state")})
    return config.model_copy(update={kind: _with_loras(config, kind, folder) for kind in LAYERS})


def _with_loras(config: ServiceConfig, kind: str, folder: Path) -> Any:
    """Allow LoRAs in requests; a configuration file may not name them for a simulated model."""
    layer = getattr(config, kind)
    model = replace(layer.generator.model, lora_folder=str(folder / "loras"))
    generator = replace(layer.generator, model=model)
    changed: Any = layer.model_copy(update={"generator": generator})
    return changed
