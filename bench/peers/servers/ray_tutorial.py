"""A Ray Serve graph as in its tutorials: synchronous models, and an ingress that awaits their values.

Each branch's pixels return to the ingress and are sent on to the merger. A replica paints one at a time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from typing import Any

# Loopback only, before ray is imported: anyone who reaches Ray's ports runs code here.
os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}

import painting
import ray
from fastapi import FastAPI, Request, Response
from PIL import Image
from ray import serve
from ray.serve.handle import DeploymentHandle

app = FastAPI()


@serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=1)
class Painter:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pipeline = painting.load(kind)

    def paint(self, scene: dict[str, Any]) -> Image.Image:
        return painting.paint(self.pipeline, self.kind, scene)


@serve.deployment(ray_actor_options={"num_cpus": 0})
class Merger:
    def merge(self, character: Image.Image, background: Image.Image, scene: dict[str, Any]) -> bytes:
        return painting.merge(character, background, scene)


@serve.deployment(ray_actor_options={"num_cpus": 0}, max_ongoing_requests=200)
@serve.ingress(app)
class Ingress:
    def __init__(self, character: DeploymentHandle, background: DeploymentHandle, merger: DeploymentHandle):
        self.character, self.background, self.merger = character, background, merger

    @app.get("/healthz")
    def healthz(self) -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/v1/scenes")
    async def scene(self, request: Request) -> Response:
        scene = await request.json()
        character, background = await asyncio.gather(
            self.character.paint.remote(scene), self.background.paint.remote(scene)
        )
        return Response(await self.merger.merge.remote(character, background, scene), media_type="image/jpeg")


def main(port: int) -> None:
    folder = tempfile.mkdtemp(prefix="peer-", dir="/tmp")  # A short path, since Ray's sockets are in it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        painters = (Painter.options(name=kind).bind(kind) for kind in ("character", "background"))
        serve.run(Ingress.bind(*painters, Merger.bind()))
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
