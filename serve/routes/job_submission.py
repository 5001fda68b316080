"""Submit jobs: those of POST /v1/jobs, and single requests whose callers prefer not to wait.

A proxy may cut off a request that is silent for a minute. With `Prefer: respond-async` (RFC 7240) the request
is kept as a job: the response is 202 with the job's address at once, and the painting goes on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from deployments.errors import InvalidRequest
from deployments.messages import PictureFormat

from ..api.known_pictures import Known, as_unread
from ..api.layer_schema import LayerRequest, PictureInput
from ..api.resolve import admit
from ..api.scene_schema import SceneRequest, layers_in
from ..auth.middleware import budget_of, key_id_of, key_of, tenant_of
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph
from ..http.error_responses import Refusal
from ..http.paths import link
from ..http.strict_json import digest_of
from ..jobs.job_responses import accepted
from ..jobs.job_schema import JobAccepted, JobRequest
from ..jobs.job_service import Alone, JobService
from ..jobs.single_layers import SingleLayerRequest
from ..jobs.states import JobState
from ..openapi.fragments import responses_of
from ..pictures.picture_service import PictureService
from .charges import check_budget
from .input_pictures import keeping_inputs

LATER: dict[int | str, dict[str, Any]] = responses_of(
    "stored as a job, if the caller prefers `respond-async`",
    headers=("Location", "Preference-Applied"),
    status=202,
)
LATER[202]["model"] = JobAccepted
"""The 202 response of a route that may also return the picture."""
Requested = TypeVar("Requested", SceneRequest, LayerRequest)
KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEY_HEADER, PREFER, ASYNC = "Idempotency-Key", "Prefer", "respond-async"
DESCRIBED = {
    KEY_HEADER: (
        f"^{KEY.pattern}$",
        "with `respond-async`: repeating the key and the body within a day returns the same job",
    ),
    PREFER: (".*", "`respond-async` returns 202 with a job's address at once; needs the scope `jobs`"),
}
"""The headers of a route that may respond with a job."""


def idempotency_key(request: Request) -> str | None:
    """Return the header's value; for a token, one that no other caller can have. Raises InvalidRequest."""
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        raise InvalidRequest(
            "an Idempotency-Key must be 1 to 255 visible ASCII characters, given once", KEY_HEADER
        )
    budget = budget_of(request)
    if budget is None:
        return given[0]
    # KEY allows no space, so no header has this value.
    return f"token {budget.token.id} {hashlib.sha256(given[0].encode()).hexdigest()}"


def prefers_async(request: Request) -> bool:
    """Return whether the caller prefers not to wait.

    Raises Refusal 403 if its key lacks the scope `jobs`, and InvalidRequest for an invalid Idempotency-Key.
    """
    idempotency_key(request)
    given = ",".join(request.headers.getlist(PREFER)).split(",")
    preferences = {each.partition(";")[0].partition("=")[0].strip().lower() for each in given}
    if ASYNC not in preferences:
        return False
    key = key_of(request)
    if key is not None and not key.may("jobs"):
        message = "Prefer: respond-async makes a job, but this key lacks the scope jobs"
        raise Refusal(403, "forbidden", message, PREFER)
    return True


def address_of(request: Request, job: JobState) -> str:
    """Return the job's path as its caller reaches it, with any prefix."""
    return link(request, f"/v1/jobs/{job.id}")


def kept_as_it_is(requested: Requested, accepted: PictureFormat | None) -> Requested:
    """Return a request as a job takes it: its format named, and `as` removed, since its picture has a URL."""
    wire_format = requested.output.format or accepted
    output = requested.output.model_copy(update={"format": wire_format, "sent_as": None})
    return requested.model_copy(update={"output": output})


class JobSubmission:
    """Submits jobs for the routes, and keeps the pictures that are sent inside a request."""

    def __init__(
        self, service: JobService, config: ServiceConfig, graph: Graph, pictures: PictureService
    ) -> None:
        self._service, self._limits = service, config.limits
        self._graph, self._pictures = graph, pictures

    async def submit(
        self,
        request: Request,
        requested: JobRequest | Alone,
        digest: str,
        named: Sequence[tuple[str, PictureInput]],
    ) -> JobState:
        """Keep a job and its pictures. Raises what JobService.submit and keeping_inputs raise."""
        key, tenant, budget = idempotency_key(request), tenant_of(request), budget_of(request)
        if not named:
            await check_budget(request)
            return await self._service.submit(
                tenant, requested, digest, key, key_id_of(request), budget=budget
            )
        earlier = await self._would_submit(request, requested, digest, [picture for _, picture in named])
        if earlier is not None:
            return earlier
        async with keeping_inputs(request, named, self._graph, self._limits, self._pictures) as known:
            return await self._service.submit(
                tenant, requested, digest, key, key_id_of(request), known, budget=budget
            )

    async def check(
        self,
        request: Request,
        parts: Sequence[SceneRequest | SingleLayerRequest],
        digest: str,
        pictures: Collection[PictureInput],
    ) -> Response | None:
        """Refuse what `respond` would refuse whatever the pictures show, before any of them is read.

        Return the response to the same request with the same key, if it was sent before.
        """
        job = await self._would_submit(request, Alone(parts), _own(request, digest), pictures)
        return None if job is None else _response(request, job)

    async def _would_submit(
        self,
        request: Request,
        requested: JobRequest | Alone,
        digest: str,
        pictures: Collection[PictureInput],
    ) -> JobState | None:
        await check_budget(request)
        key, tenant = idempotency_key(request), tenant_of(request)
        return await self._service.would_submit(tenant, requested, digest, key, key_id_of(request), pictures)

    async def respond(
        self,
        request: Request,
        parts: Sequence[SceneRequest | SingleLayerRequest],
        digest: str,
        named: Sequence[tuple[str, PictureInput]],
        check: Callable[[Known], object],
    ) -> Response:
        """Respond with 202 and the job that paints what is requested.

        `check` refuses what cannot be painted, naming the request's own fields, before anything is kept.
        """
        unknown = as_unread(picture for _, picture in named)
        layers = [
            layer
            for part in parts
            for layer in layers_in(part.requested if isinstance(part, SingleLayerRequest) else part)
        ]
        await admit(lambda: check(unknown), layers)
        return _response(request, await self.submit(request, Alone(parts), _own(request, digest), named))

    async def earlier(self, request: Request, digest: str) -> Response | None:
        """Return the response to the same request with the same key, if it was sent before.

        This works even if what it names, such as a member of the cast, has been removed since.
        """
        job = await self.earlier_job(request, _own(request, digest))
        return None if job is None else _response(request, job)

    async def earlier_job(self, request: Request, digest: str) -> JobState | None:
        """Return the job that was submitted with the same key and body, if there is one."""
        key = idempotency_key(request)
        return None if key is None else await self._service.earlier(tenant_of(request), digest, key)


def _own(request: Request, digest: str) -> str:
    """Return the digest of a body and its route: equal bodies may mean different pictures on each."""
    return digest_of([request.url.path.rpartition("/")[2], digest])


def _response(request: Request, job: JobState) -> Response:
    headers = {"Location": address_of(request, job), "Preference-Applied": ASYNC}
    return JSONResponse(accepted(job).model_dump(), 202, headers)
