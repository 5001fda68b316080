"""Define the job of a whole scene, which is its layers and their merge, and its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from deployments.messages import LayerJob, LayerResult, MergeJob, MergeResult, SentWithTimeLeft


@dataclass(frozen=True)
class SceneJob(SentWithTimeLeft):
    """The jobs that make one scene, and its deadline, by this process's monotonic clock.

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
        """Return all layers, the background last."""
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


@dataclass(frozen=True)
class SceneResult:
    """A painted scene: one `character`, or several `characters`. `created`: when, in seconds since 1970."""

    character: LayerResult | None
    background: LayerResult
    merged: MergeResult
    characters: tuple[LayerResult, ...] = ()
    created: float = field(default_factory=time.time, compare=False)

    @property
    def figures(self) -> tuple[LayerResult, ...]:
        """Return the characters, one or several."""
        return (self.character,) if self.character is not None else self.characters

    @property
    def layers(self) -> tuple[LayerResult, ...]:
        """Return all layers, the background last."""
        return (*self.figures, self.background)

    @property
    def named_layers(self) -> list[tuple[str, LayerResult]]:
        """Return each layer with its path in the request, such as `character` or `characters.0`."""
        names = [f"characters.{index}" for index in range(len(self.characters))] or ["character"]
        return [*zip(names, self.figures, strict=True), ("background", self.background)]

    @property
    def consistency(self) -> dict[str, float]:
        """Return the consistency of cast members with their references, by path, for those measured."""
        return {path: layer.consistency for path, layer in self.named_layers if layer.consistency is not None}

    @property
    def degraded(self) -> list[str]:
        """List how the result differs from the request, each entry after its layer's path."""
        return [f"{name}: {how}" for name, layer in self.named_layers for how in layer.degraded]

    @property
    def timings_ms(self) -> dict[str, float]:
        """Return the milliseconds of each stage, such as `character-queue` or `merge`."""
        timings = dict[str, float]()
        for name, layer in self.named_layers:
            timings |= stages_ms(layer, f"{name.replace('characters.', 'character-')}-")
        return timings | {"merge": self.merged.merge_ms, "output": self.merged.output_ms}


def stages_ms(layer: LayerResult, prefix: str = "") -> dict[str, float]:
    """Return the milliseconds of each stage of a layer, by name."""
    timings = layer.timings
    return {
        f"{prefix}queue": timings.queue_ms,
        f"{prefix}encode": timings.encode_ms,
        f"{prefix}denoise": timings.denoise_ms,
        f"{prefix}decode": timings.decode_ms,
    }
