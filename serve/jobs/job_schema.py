"""The wire format of jobs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..api.scene_schema import SceneRequest
from ..api.wire import LookedUp, Wire

MAX_SCENES = 1_000
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Webhook(Wire):
    """Webhook for the end of a job: a signed POST, as Standard Webhooks says (docs/guides/webhooks.md)."""

    url: str = Field(max_length=2_000, description="https, and a host that this service may send to")


class JobRequest(Wire):
    """Scenes to paint when there is capacity; each `deadline_s` counts from when its painting begins."""

    # Only the first fault is reported: collecting those of a thousand scenes takes a second.
    scenes: list[SceneRequest] = Field(min_length=1, max_length=MAX_SCENES, fail_fast=True)
    webhook: Webhook | None = None


class JobAccepted(Wire):
    """A job that has been stored."""

    id: str
    status: Status
    total: int


class SceneError(Wire):
    code: str
    message: str
    param: str | None = None


class JobScene(Wire):
    index: int
    status: Status
    error: SceneError | None = None
    url: str | None = Field(None, description="of the picture, once there is one")
    repaints: int | None = Field(
        None, description="how often the kept picture was found damaged and painted again; only where it was"
    )
    changed: bool | None = Field(
        None, description="true where it was painted again and is not the same as at first"
    )


class JobSummary(JobAccepted):
    created: int = Field(description="seconds since 1970")
    done: int = Field(description="scenes that succeeded")
    failed: int
    held: bool = Field(False, description="its key has ended: what waits is not painted until it is released")
    tenant: str | None = Field(None, description="its tenant, shown to an admin alone")


class WebhookState(Wire):
    """`pending` until the job has ended; `due` while it is tried; `failed` once it was given up."""

    id: str
    url: str
    status: Literal["pending", "due", "delivered", "failed"]
    attempts: int
    last_error: str | None = None


class JobResponse(JobSummary):
    """A job: `failed` once all scenes have ended and any of them failed; the others keep their pictures."""

    ahead: int = Field(description="scenes of your earlier jobs that have not ended: they come first")
    webhook: WebhookState | None = None
    scenes: list[JobScene]


class JobList(Wire):
    data: list[JobSummary]
    next: str | None = Field(description="the `after` of the next page, or null on the last")


class ListQuery(BaseModel):
    """Query parameters of GET /v1/jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(20, ge=1, le=100)
    after: str | None = Field(None, max_length=100, description="`next` of the page before")
    tenant: LookedUp | None = Field(
        None, max_length=64, description="the tenant; without it an admin lists all jobs"
    )
