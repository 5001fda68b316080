"""List the cache keys of the layers that a replica paints or keeps: an equal job costs nothing here."""

from __future__ import annotations

from deployments.messages import LayerJob

REMEMBERED = 128
"""Sent to every sender every second or so, at sixteen letters each."""


class CachedLayers:
    """The most recently requested layers. `keeps`: whether a layer outlives its painting."""

    def __init__(self, keeps: bool) -> None:
        self._keeps = keeps
        self._likenesses: dict[str, None] = {}

    def begin(self, job: LayerJob) -> None:
        if not job.no_store:
            self._likenesses.pop(job.likeness, None)
            self._likenesses[job.likeness] = None
            while len(self._likenesses) > REMEMBERED:
                del self._likenesses[next(iter(self._likenesses))]

    def end(self, job: LayerJob, as_asked: bool) -> None:
        """Record that a layer ended. `as_asked`: it was painted, and nothing about it is degraded."""
        if not (as_asked and self._keeps):
            self._likenesses.pop(job.likeness, None)

    def likenesses(self) -> tuple[str, ...]:
        return tuple(self._likenesses)
