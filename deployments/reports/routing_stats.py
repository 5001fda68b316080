"""Report the load of a generator replica to the request router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from deployments.messages import Unanswered


@dataclass(frozen=True)
class RoutingStats:
    """The load of one replica. Work is in megapixel-steps (LayerJob.cost).

    `megapixel_step_s`: seconds that one takes at the present sharing of forwards; zero if nothing was painted
    yet. `least_megapixel_step_s`: a lower bound on it. `interactive`: work under way or waiting here, without
    batch work. `cached`: cache keys of the layers that are painted or kept here. `loaded`: whether the model
    is loaded already. `unready`: why the replica should get no work; empty if it should. `unanswered`: layers
    that ended without a response lately. `loras`: hashes of the LoRAs that are held here.
    """

    megapixel_step_s: float
    least_megapixel_step_s: float
    interactive: float
    cached: tuple[str, ...] = ()
    loaded: bool = True
    unready: str = ""
    unanswered: tuple[Unanswered, ...] = ()
    loras: tuple[str, ...] = ()

    def as_stats(self) -> dict[str, Any]:
        """Return the form that Ray Serve carries; `from_stats` reads it."""
        return asdict(self)

    @classmethod
    def from_stats(cls, stats: Mapping[str, Any]) -> Self | None:
        """Read that form. Return None if the replica has not reported yet."""
        return cls(**stats) if stats else None
