"""Profile a running service over HTTP, from its own Server-Timing under a growing number of requests.

The service must have one replica of each generator and no other work, or the times would be mixed up.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..config.layer_settings import STABLE_DIFFUSION
from .device_profile import LayerProfile, Profile

STEPS = 20
"""The steps of each request, enough that joining in the middle of another's step hardly matters."""
Kind = Literal["character", "background"]
ROUNDS = 3
DEFAULTS: dict[Kind, int] = {
    kind: defaults.num_inference_steps for kind, defaults in STABLE_DIFFUSION.items()
}
STAGES = ("queue", "encode", "denoise", "decode")


class Service(Protocol):
    """The part of scenewright.Scenewright used here. Painted scenes have `timings_ms` and `backend`."""

    def scene(self, character: Any, background: Any, **options: Any) -> Any: ...


@dataclass(frozen=True)
class _Painted:
    scene: Any
    took_s: float

    def stage_s(self, name: str) -> float:
        return float(self.scene.timings_ms[name]) / 1e3

    def other_s(self) -> float:
        """Return the seconds that neither a generator nor the merger accounts for."""
        layers = (sum(self.stage_s(f"{kind}-{stage}") for stage in STAGES) for kind in DEFAULTS)
        return max(0.0, self.took_s - max(layers) - self.stage_s("merge") - self.stage_s("output"))


def measure(
    service: Service,
    device: str,
    most_pictures: int,
    start_s: float,
    notify: Callable[[str], None],
    models: Mapping[Kind, str] | None = None,
    steps: Mapping[Kind, int] = DEFAULTS,
) -> Profile:
    """Measure the median seconds of every stage.

    Forwards have 1, 2, 4, … pictures, up to as many as a replica takes together.

    A scene's own layers run on two replicas at the same time, so both branches are measured at once.
    `models` paint the layers, by default their first ones. `steps` are what the profile assumes of a request.
    """
    models = models or {}
    notify("warming up…")
    _paint(service, models)
    company = _Company(service, notify, models)
    alone = company.of(1)

    def layer(kind: Kind) -> LayerProfile:
        shared = company.that_share(kind, most_pictures)
        notify(f"{kind}: at most {shared[-1]} pictures in one forward")
        return LayerProfile(
            model=models.get(kind, ""),
            steps=steps[kind],
            encode_s=_median(alone, f"{kind}-encode"),
            step_s={
                pictures: _median(company.of(pictures), f"{kind}-denoise") / STEPS for pictures in shared
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


def steps_of(cards: Iterable[Mapping[str, Any]], models: Mapping[Kind, str]) -> dict[Kind, int]:
    """Return the default steps of each layer's requests, as `/v1/models` states them for its model."""
    steps = dict(DEFAULTS)
    for card in cards:
        for kind in DEFAULTS:
            usual = card.get("defaults", {}).get(kind)
            chosen = card["id"] == models[kind] if kind in models else kind in card.get("default_for", ())
            if usual and chosen:
                steps[kind] = int(usual["num_inference_steps"])
    return steps


class _Company:
    """Paint several scenes at a time, and measure each number of them only once."""

    def __init__(self, service: Service, notify: Callable[[str], None], models: Mapping[Kind, str]) -> None:
        self._service = service
        self._models = models
        self._notify = notify
        self._painted: dict[int, list[_Painted]] = {}

    def of(self, pictures: int) -> list[_Painted]:
        if pictures not in self._painted:
            self._notify(f"{pictures} scenes at a time…")
            self._painted[pictures] = _paint_together(self._service, pictures, self._models)
        return self._painted[pictures]

    def that_share(self, kind: Kind, most: int) -> list[int]:
        """Return 1, 2, 4, … pictures as long as all share one forward, and the most that do."""
        shared, too_many = [1], 2 * most
        while True:
            pictures = min(2 * shared[-1], (shared[-1] + too_many) // 2, most)
            if pictures == shared[-1]:
                return shared
            if self._waited(kind, pictures):
                too_many = pictures
            else:
                shared.append(pictures)

    def _waited(self, kind: Kind, pictures: int) -> bool:
        """Return whether, in most rounds, a picture began only after another was done."""
        queued_s = [painted.stage_s(f"{kind}-queue") for painted in self.of(pictures)]
        longest_s = [max(queued_s[begin : begin + pictures]) for begin in range(0, len(queued_s), pictures)]
        return statistics.median(longest_s) > _median(self.of(pictures), f"{kind}-denoise") / 2


def _paint(service: Service, models: Mapping[Kind, str]) -> _Painted:
    def layer(kind: Kind) -> dict[str, Any]:
        named = {"model": models[kind]} if kind in models else {}
        return {"prompt": "a lighthouse", "num_inference_steps": STEPS, **named}

    began_at = time.monotonic()
    scene = service.scene(layer("character"), layer("background"))
    return _Painted(scene, time.monotonic() - began_at)


def _paint_together(service: Service, pictures: int, models: Mapping[Kind, str]) -> list[_Painted]:
    """Paint in rounds that all requests begin together. Otherwise fewer and fewer would share a forward."""
    painted = []
    with ThreadPoolExecutor(pictures) as pool:
        for _ in range(ROUNDS):
            painted += list(pool.map(lambda _: _paint(service, models), range(pictures)))
    return painted


def _median(painted: list[_Painted], stage: str) -> float:
    return statistics.median(one.stage_s(stage) for one in painted)
