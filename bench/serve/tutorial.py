"""A Ray Serve graph as in its tutorials: an ingress that awaits both values and sends them on.

Everything but the serving is Scenewright's: the same pictures are drawn, pasted and encoded.
"""

# No `from __future__ import annotations`: FastAPI reads the routes' annotations after Serve has moved them.

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from deployments.diffusion.simulated.simulated_painter import draw
from deployments.imaging.composite.pasting import paste
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import MergeOptions, OutputOptions, Pixels

Handle = DeploymentHandle[Any]
app = FastAPI()


class Painter:
    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def paint(self, scene: dict[str, Any]) -> Pixels:
        arguments = scene[self.kind]
        return draw(self.kind, arguments["width"], arguments["height"], scene["seed"])


class Merger:
    def merge(self, character: Pixels, background: Pixels, scene: dict[str, Any]) -> bytes:
        frame = scene["merge"]
        options = MergeOptions("paste", width_px=frame["width"], height_px=frame["height"])
        return encode(paste(character, background, options)[0], OutputOptions(), optimize=True).data


@serve.ingress(app)
class Ingress:
    def __init__(self, character: Handle, background: Handle, merger: Handle) -> None:
        self.character, self.background, self.merger = character, background, merger

    @app.post("/v1/scenes")
    async def scene(self, request: Request) -> Response:
        scene = await request.json()
        character, background = await asyncio.gather(
            self.character.paint.remote(scene), self.background.paint.remote(scene)
        )
        return Response(await self.merger.merge.remote(character, background, scene), media_type="image/jpeg")


def graph() -> Application:
    """Build the graph with the limits of serve/local.yaml instead of Serve's own, which are lower."""

    def deployed(target: Any, name: str, most: int) -> Any:
        return serve.deployment(
            target, name=name, ray_actor_options={"num_cpus": 0}, max_ongoing_requests=most
        )

    painters = (deployed(Painter, kind, 16).bind(kind) for kind in ("character", "background"))
    merger = deployed(Merger, "merger", 4).bind()
    application: Application = deployed(Ingress, "ingress", 200).bind(*painters, merger)
    return application
