"""What the service says of itself: its models, that it is alive, that it can paint."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from deployments.errors import NotReady

from ..config import ServiceConfig
from ..models import listing
from ..readiness import unready_reasons
from ..scene import Graph


def service_routes(config: ServiceConfig, graph: Graph) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        return listing(config)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        reasons = await unready_reasons(graph)
        if reasons:
            raise NotReady("; ".join(reasons), retry_after_s=2)
        return {"status": "ready"}

    return router
