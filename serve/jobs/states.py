"""A job and its scenes as reported: the request, how far it is, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from deployments.messages import PictureFormat

from ..usage.usage_store import Who
from ..webhooks.outbox import Delivery

SceneStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class NewScene:
    """A scene in its resolved form, as JSON: nothing of it is decided later, its seeds least of all.

    `picture_bytes`: what its picture is expected to take; `megapixel_steps`: what it costs a token's budget.
    """

    job: str
    deadline_s: float
    picture_bytes: int = 0
    megapixel_steps: float = 0.0


@dataclass(frozen=True)
class SceneState:
    """`repaints`: how often its kept picture was damaged and painted again; `changed`: it is another now."""

    number: int
    status: SceneStatus
    error: dict[str, Any] | None = None
    picture: str | None = None
    format: PictureFormat | None = None
    headers: dict[str, str] = field(default_factory=dict)
    repaints: int = 0
    changed: bool = False

    @property
    def was_kept(self) -> bool:
        """Return whether it had a picture once."""
        return self.picture is not None or self.repaints > 0 or (self.error or {}).get("code") == "gone"


@dataclass(frozen=True)
class JobState:
    """The state of a job.

    `scenes` are empty where only the counts were requested. `ahead`: how many scenes of the owner's earlier
    jobs have not ended, where the job itself was requested. `held`: the key that it came with has ended, so
    what waits of it is not painted until it is released.
    """

    id: str
    created_at: float
    total: int
    cancelled: bool
    counts: dict[str, int]
    scenes: tuple[SceneState, ...] = ()
    ahead: int = 0
    owner: str = ""
    held: bool = False
    webhook: Delivery | None = None

    @property
    def status(self) -> SceneStatus:
        """Return the status; `failed` where any scene failed, once all have ended."""
        if self.cancelled:
            return "cancelled"
        if sum(self.counts.get(status, 0) for status in ENDED) == self.total:
            return "failed" if self.counts.get("failed") else "succeeded"
        return "queued" if self.counts.get("queued") == self.total else "running"


@dataclass(frozen=True)
class Claim:
    """A scene to be painted, by this lease; `first_painted` where it was before (kept_scenes.py).

    `owner`: its job's. `key_id`: of the key that it was submitted with, or painted again.
    """

    lease: str
    job_id: str
    number: int
    job: str
    deadline_s: float
    first_painted: str | None = None
    owner: str = ""
    key_id: str | None = None

    @property
    def who(self) -> Who:
        """Return the tenant whose scene it is, and the key that it was submitted with."""
        return self.owner, self.key_id or ""
