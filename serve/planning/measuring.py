"""A profile of a running service, over HTTP: what its own Server-Timing says while it is asked for more.

The service must have one replica of each generator and nothing else to do, else the figures are of a mixture.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..config import BACKGROUND_DEFAULTS, CHARACTER_DEFAULTS
from .profile import LayerProfile, Profile

STEPS = 8
"""Of each request: enough that joining in the middle of a neighbour's step hardly counts."""
Kind = Literal["character", "background"]
ROUNDS = 3
DEFAULTS: dict[Kind, int] = {
    "character": CHARACTER_DEFAULTS.num_inference_steps,
    "background": BACKGROUND_DEFAULTS.num_inference_steps,
}
STAGES = ("queue", "encode", "denoise", "decode")


class Service(Protocol):
    """What is used of serve.client.Scenewright; painted scenes tell `timings_ms` and `backend`."""

    def scene(self, character: Any, background: Any, **options: Any) -> Any: ...


@dataclass(frozen=True)
class _Painted:
    scene: Any
    took_s: float

    def stage_s(self, name: str) -> float:
        return float(self.scene.timings_ms[name]) / 1e3

    def other_s(self) -> float:
        """What neither a generator nor the merger accounts for."""
        layers = (sum(self.stage_s(f"{kind}-{stage}") for stage in STAGES) for kind in DEFAULTS)
        return max(0.0, self.took_s - max(layers) - self.stage_s("merge") - self.stage_s("output"))


def measure(
    service: Service, device: str, most_pictures: int, start_s: float, say: Callable[[str], None]
) -> Profile:
    """Seconds of every stage, medians; forwards of 1, 2, 4, … pictures up to `most_pictures`.

    A scene's own layers run on two replicas at the same time, so both branches are measured at once.
    """
    say("warming up…")
    _paint(service)
    by_pictures: dict[int, list[_Painted]] = {}
    pictures = 1
    while pictures <= most_pictures:
        say(f"{pictures} at a time…")
        by_pictures[pictures] = _paint_together(service, pictures)
        pictures *= 2
    alone = by_pictures[1]

    def layer(kind: Kind) -> LayerProfile:
        return LayerProfile(
            steps=DEFAULTS[kind],
            encode_s=_median(alone, f"{kind}-encode"),
            step_s={
                count: _median(painted, f"{kind}-denoise") / STEPS for count, painted in by_pictures.items()
            },
            decode_s=_median(alone, f"{kind}-decode"),
            start_s=start_s,
        )

    return Profile(
        device=device,
        backend=alone[0].scene.backend,
        character=layer("character"),
        background=layer("background"),
        merge_s=_median(alone, "merge") + _median(alone, "output"),
        other_s=statistics.median(painted.other_s() for painted in alone),
    )


def _paint(service: Service) -> _Painted:
    layer = {"prompt": "a lighthouse", "num_inference_steps": STEPS}
    began_at = time.monotonic()
    scene = service.scene(layer, layer)
    return _Painted(scene, time.monotonic() - began_at)


def _paint_together(service: Service, pictures: int) -> list[_Painted]:
    with ThreadPoolExecutor(pictures) as pool:
        rounds = [[pool.submit(_paint, service) for _ in range(pictures)] for _ in range(ROUNDS)]
        return [answer.result() for answers in rounds for answer in answers]


def _median(painted: list[_Painted], stage: str) -> float:
    return statistics.median(one.stage_s(stage) for one in painted)
