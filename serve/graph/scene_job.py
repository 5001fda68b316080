"""Define the job of a whole scene: its layers and their merge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from deployments.messages import LayerJob, MergeJob, SentWithTimeLeft


@dataclass(frozen=True)
class SceneJob(SentWithTimeLeft):
    """The jobs that make one scene, and when it must be done, by this process's monotonic clock.

    It has either one `character` or several `characters`, as its request had.
    """

    character: LayerJob | None
    background: LayerJob
    merge: MergeJob
    deadline_at: float
    characters: tuple[LayerJob, ...] = ()

    @property
    def figures(self) -> tuple[LayerJob, ...]:
        """Return the characters, one or several."""
        return self.characters if self.character is None else (self.character,)

    @property
    def layers(self) -> tuple[LayerJob, ...]:
        """Return all layers, the place last."""
        return (*self.figures, self.background)

    def with_layers(self, **changes: Any) -> Self:
        """Return the scene with these fields of every layer changed."""
        return self.map_layers(lambda layer: replace(layer, **changes))

    def map_layers(self, change: Callable[[LayerJob], LayerJob]) -> Self:
        """Return the scene with every layer changed, in the order of `layers`."""
        return replace(
            self,
            character=None if self.character is None else change(self.character),
            characters=tuple(map(change, self.characters)),
            background=change(self.background),
        )
