"""A job and its scenes as reported: the request, its progress and its result."""

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
    """A resolved scene, as JSON: nothing about it is decided later, not even its seeds.

    `picture_bytes` is the expected size of its picture, `megapixel_steps` its cost in a token's budget.
    """

    job: str
    deadline_s: float
    picture_bytes: int = 0
    megapixel_steps: float = 0.0


@dataclass(frozen=True)
class SceneState:
    """The state of a scene.

    `repaints` counts how often its kept picture was damaged and painted again. `changed` is true if the
    picture then came out different.
    """

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
        """Return whether the scene has ever had a picture."""
        return self.picture is not None or self.repaints > 0 or (self.error or {}).get("code") == "gone"


@dataclass(frozen=True)
class JobState:
    """The state of a job.

    `scenes` is empty if only the counts were requested. `ahead` is the number of scenes in the owner's
    earlier jobs that have not ended, if the whole job was requested. `held` is true if the key that submitted
    the job has ended: its waiting scenes are not painted until the job is released.
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
        """Return the status. Once all scenes have ended, it is `failed` if any of them failed."""
        if self.cancelled:
            return "cancelled"
        if sum(self.counts.get(status, 0) for status in ENDED) == self.total:
            return "failed" if self.counts.get("failed") else "succeeded"
        return "queued" if self.counts.get("queued") == self.total else "running"


@dataclass(frozen=True)
class Claim:
    """A scene to paint under this lease.

    `first_painted` identifies its first painting, if there was one (kept_scenes.py). `owner` is the job's
    owner, `key_id` the key that submitted the scene or asked for its repaint.
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
        """Return the tenant that owns the scene, and the id of the key that requested it."""
        return self.owner, self.key_id or ""
