"""LitServe: worker processes that each own both models, and paint one layer after the other.

There are two, so that as many threads paint as in the other servers.
"""

from __future__ import annotations

import sys
from typing import Any

import litserve
import painting
from fastapi import Response


class Scenes(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.pipelines = {kind: painting.load(kind) for kind in ("character", "background")}

    def predict(self, scene: dict[str, Any]) -> bytes:
        layers = [painting.paint(pipeline, kind, scene) for kind, pipeline in self.pipelines.items()]
        return painting.merge(layers[0], layers[1], scene)

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="image/jpeg")


if __name__ == "__main__":
    server = litserve.LitServer(
        Scenes(api_path="/v1/scenes"),
        accelerator="auto",
        workers_per_device=2,
        healthcheck_path="/healthz",
        timeout=False,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
