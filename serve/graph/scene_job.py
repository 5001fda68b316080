"""Define the job of a whole scene: two layers and their merge."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.messages import LayerJob, MergeJob, SentWithTimeLeft


@dataclass(frozen=True)
class SceneJob(SentWithTimeLeft):
    """Three jobs that make one scene, and when it must be done, by this process's monotonic clock."""

    character: LayerJob
    background: LayerJob
    merge: MergeJob
    deadline_at: float
