"""/v1/jobs: many scenes at once, stored, and painted in the background."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from deployments.errors import InvalidRequest

from ..api.response_schema import SceneResponse
from ..api.responses import FORMATS
from ..api.scene_schema import pictures_in
from ..auth.middleware import budget_of, key_of, refuse_token, tenant_of
from ..cast.cast_service import CastService
from ..config.service_config import ServiceConfig
from ..http.body import accept_with_digest, parse
from ..http.error_responses import Refusal
from ..http.paths import link
from ..http.rendering import JsonResponse
from ..jobs.job_responses import accepted, job_events, summary, whole
from ..jobs.job_rows import submitted_with
from ..jobs.job_schema import (
    JobAccepted,
    JobList,
    JobRequest,
    JobResponse,
    ListQuery,
)
from ..jobs.job_service import JobService
from ..openapi.fragments import (
    OF_A_SCENE,
    describe_body,
    describe_header,
    describe_query,
    responses_of,
)
from .job_streams import EVENTS_RESPONSES, JobStreams, describe_last_event
from .job_submission import KEY, JobSubmission, address_of, idempotency_key
from .kept_scene import kept_scene

SCENE_BYTES = 1_000
"""Reporting a scene of a job costs about as much as this many bytes of a picture."""
KEPT = ("ETag", "Cache-Control", "Vary")


def seen_by(request: Request) -> str | None:
    """Return the tenant whose jobs a caller may see, list and end; None, for all tenants, for an admin."""
    return None if is_admin(request) else tenant_of(request)


def owner_listed(request: Request, query: ListQuery, what: str) -> str | None:
    """Return the tenant whose jobs or stories to list; None for all tenants. Raises Refusal 403."""
    whose = seen_by(request)
    if query.tenant is None:
        return whose
    if whose is not None and query.tenant != whose:
        raise Refusal(403, "forbidden", f"only an admin's key may list another tenant's {what}", "tenant")
    return query.tenant


def is_admin(request: Request) -> bool:
    key = key_of(request)
    return key is not None and "admin" in key.scopes


def describe_idempotency(made: str) -> dict[str, Any]:
    """Return the Idempotency-Key's part of an operation."""
    meaning = f"repeating the key and the body within 24 hours returns the same {made}"
    return describe_header("Idempotency-Key", f"^{KEY.pattern}$", meaning)


def job_routes(
    config: ServiceConfig, service: JobService, submission: JobSubmission, cast: CastService
) -> APIRouter:
    async def check_reach(request: Request) -> None:
        """Let a token reach only the jobs that it, or another of its key's tokens, submitted."""
        budget, job_id = budget_of(request), request.path_params.get("job_id")
        if budget is not None and job_id is not None:
            await service.check_reach(tenant_of(request), job_id, budget.token.key_id)

    router = APIRouter(dependencies=[Depends(check_reach)])
    streams = JobStreams(config.limits, service)
    own = {name: getattr(config.jobs, name) for name in ("max_json_bytes", "max_json_values")}
    limits = config.limits.model_copy(update=own)

    @router.post(
        "/v1/jobs",
        status_code=202,
        response_model=JobAccepted,
        responses=responses_of("the stored job", headers=("Location",), status=202),
        openapi_extra=describe_body(JobRequest) | describe_idempotency("job"),
    )
    async def submit_job(request: Request) -> Response:
        idempotency_key(request)  # An invalid key is refused before the body is read.
        requested, digest = await accept_with_digest(request, JobRequest, limits)
        try:
            scenes = await cast.resolve_scenes(tenant_of(request), requested.scenes)
        except InvalidRequest:
            # A member may have been removed since the same job was submitted.
            if earlier := await submission.earlier_job(request, digest):
                headers = {"Location": address_of(request, earlier)}
                return JSONResponse(accepted(earlier).model_dump(), 202, headers)
            raise
        requested = requested.model_copy(update={"scenes": scenes})
        named = [
            each for n, scene in enumerate(requested.scenes) for each in pictures_in(scene, f"scenes.{n}.")
        ]
        job = await submission.submit(request, requested, digest, named)
        headers = {"Location": address_of(request, job)}
        return JSONResponse(accepted(job).model_dump(), 202, headers)

    @router.get("/v1/jobs", response_model=JobList, openapi_extra=describe_query(ListQuery))
    async def list_jobs(request: Request) -> Response:
        requested = parse(dict(request.query_params), ListQuery)
        whose, all_ = owner_listed(request, requested, "jobs"), is_admin(request)
        budget = budget_of(request)
        own = None if budget is None else submitted_with(budget.token.id)
        jobs, cursor = await service.page(whose, requested.limit, requested.after, own)
        data = [summary(job, all_).model_dump(exclude_none=True) for job in jobs]
        return JSONResponse({"data": data, "next": cursor})

    @router.get("/v1/jobs/{job_id}", response_model=JobResponse, response_model_exclude_none=True)
    async def look_at_job(request: Request, job_id: str) -> Response:
        job = await service.job(seen_by(request), job_id)
        address, all_ = address_of(request, job), is_admin(request)
        size = SCENE_BYTES * job.total
        return JsonResponse(lambda: whole(job, address, all_).model_dump(exclude_none=True), size)

    @router.delete("/v1/jobs/{job_id}", response_model=JobAccepted)
    async def end_job(request: Request, job_id: str) -> Response:
        """Cancel the unfinished scenes of a job; if the job has ended, remove it and its pictures.

        Scenes of a cancelled job that had already ended keep their pictures until the job is removed too. An
        admin may end any tenant's job.
        """
        return JSONResponse(accepted(await service.end(seen_by(request), job_id)).model_dump())

    @router.post("/v1/jobs/{job_id}/release", response_model=JobAccepted)
    async def release_job(request: Request, job_id: str) -> Response:
        """Release a `held` job, whose key has ended, so that it is painted after all.

        The tenant's other keys or an admin's may do so, but no token. A job that is not held stays as it is.
        """
        refuse_token(request, "release a job")
        return JSONResponse(accepted(await service.release(seen_by(request), job_id)).model_dump())

    @router.get(
        "/v1/jobs/{job_id}/scenes/{index}",
        response_model=SceneResponse,
        responses=responses_of(
            "the picture; or JSON as from /v1/scenes, if `Accept` names it first and the scene has `layers`",
            FORMATS,
            (*OF_A_SCENE, *KEPT),
        ),
    )
    async def scene_of_job(request: Request, job_id: str, index: str) -> Response:
        tenant = tenant_of(request)
        return await kept_scene(
            request, index, lambda number, whole, report: service.scene(tenant, job_id, number, whole, report)
        )

    @router.get(
        "/v1/jobs/{job_id}/events",
        responses=EVENTS_RESPONSES,
        response_class=Response,
        openapi_extra=describe_last_event("scenes"),
    )
    async def events_of_job(request: Request, job_id: str) -> Response:
        address = link(request, f"/v1/jobs/{job_id}")
        return await streams.stream(
            request, lambda: service.job(seen_by(request), job_id), job_events, address
        )

    return router
