"""Report on the service itself: its models, its liveness and its readiness."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from deployments.errors import NotReady
from deployments.messages import Backend

from ..api.loras import with_lora_files
from ..api.model_list import (
    ModelEntry,
    ModelList,
    find,
    listing,
)
from ..api.responses import backend_of
from ..api.wire import Wire
from ..config.service_config import ServiceConfig
from ..graph.readiness import DiskCheck, ServiceState, service_state
from ..graph.readiness_checks import ReadinessChecks
from ..graph.scene import Graph
from ..http.error_responses import Refusal
from ..state.disk_space import DiskSpace


class Alive(Wire):
    status: Literal["alive"] = "alive"


class Ready(Wire):
    """Readiness: every generator has painted its warm-up picture.

    `degraded` means: not on all of its replicas, or no room on the disk for new jobs. `reasons` says which.
    """

    status: Literal["ready", "degraded"] = "ready"
    reasons: list[str] | None = None
    backend: Backend = Field(description="`simulated` if any layer is painted without a model")


def service_routes(config: ServiceConfig, graph: Graph) -> APIRouter:
    router = APIRouter()
    wanted = {name: model.replicas.least_replicas for name, model in config.generators.items()}
    disk = DiskCheck(DiskSpace(config.jobs, config.state_folder))

    async def whole_state() -> ServiceState:
        return await disk.beside(await service_state(graph, wanted))

    checks = ReadinessChecks(whole_state)
    backend = backend_of({model.generator.backend for model in config.generators.values()})

    @router.get("/v1/models")
    async def list_models() -> ModelList:
        return ModelList.model_validate(await with_lora_files(lambda: listing(config)))

    @router.get("/v1/models/{model_id:path}")
    async def look_at_model(model_id: str) -> ModelEntry:
        """Describe one model. Its id may contain slashes, written plainly or as `%2F`."""
        found = await with_lora_files(lambda: find(config, model_id))
        if found is None:
            raise Refusal(404, "not_found", "there is no such model; GET /v1/models lists them")
        return ModelEntry.model_validate(found)

    @router.get("/healthz")
    async def healthz() -> Alive:
        return Alive()

    @router.get("/readyz", response_model_exclude_none=True)
    async def readyz() -> Ready:
        state = await checks.state()
        if state.unready:
            raise NotReady("; ".join(state.unready), retry_after_s=2)
        if state.degraded:
            return Ready(status="degraded", reasons=list(state.degraded), backend=backend)
        return Ready(backend=backend)

    return router
