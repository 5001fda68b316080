"""Simulate the fork-join with discrete events: two fleets paint, a pool merges, a policy may scale.

Every scene's layers start at once, and it can be merged when the last one is done. If a replica holds one
picture at a time, this is a queue with a known mean (M/D/1, Pollaczek and Khinchine), which the tests check.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray

from .device_profile import Profile
from .fleet import Fleet
from .replica import Replica, Task

BRANCHES = ("character", "background")
WARM_UP = 0.1
"""The fraction of scenes, from the first, that is painted but not counted, as the service starts empty."""
Scaler = Callable[[float, Mapping[str, Fleet]], Mapping[str, int]]
"""Given the time and the fleets, returns the replicas that each should have. Called once a second."""
TICK_S = 1.0


@dataclass(frozen=True)
class Setup:
    """Replicas of each deployment. With a scaler these are only the initial ones."""

    character: int
    background: int
    merger: int

    @property
    def gpus(self) -> int:
        return self.character + self.background


@dataclass(frozen=True)
class Outcome:
    """Seconds of each counted scene, and `utilisation` of each deployment's replicas while they existed.

    `late_layer_s` is how long each scene's earlier layer waited for the later one. `replica_s` is the replica
    seconds of both branches.
    """

    latency_s: NDArray[np.float64]
    late_layer_s: NDArray[np.float64]
    queued_s: dict[str, float]
    utilisation: dict[str, float]
    replica_s: float
    lasted_s: float
    most_replicas: dict[str, int]
    targets: list[tuple[float, dict[str, int]]] = field(default_factory=list)

    @property
    def gpus_on_average(self) -> float:
        return self.replica_s / self.lasted_s if self.lasted_s else 0.0

    def percentile_s(self, percent: float) -> float:
        return float(np.percentile(self.latency_s, percent))


def poisson(rps: float, scenes: int, seed: int = 0) -> NDArray[np.float64]:
    """Return the arrival times, in seconds, of requests from independent users."""
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rps, scenes))


def simulate(
    profile: Profile,
    setup: Setup,
    arrivals: Sequence[float],
    seed: int = 0,
    scaler: Scaler | None = None,
    figures: int = 1,
) -> Outcome:
    """Simulate the service. `arrivals` are in seconds, ascending. Each scene has `figures` characters."""
    return _Run(profile, setup, arrivals, seed, scaler, figures).outcome()


class _Run:
    def __init__(
        self,
        profile: Profile,
        setup: Setup,
        arrivals: Sequence[float],
        seed: int,
        scaler: Scaler | None,
        figures: int,
    ) -> None:
        dice = random.Random(seed)  # noqa: S311 (routing, not secrets)
        self._profile, self._arrivals, self._scaler = profile, arrivals, scaler
        self._layers = {"character": figures, "background": 1}
        self._unpainted = [figures + 1] * len(arrivals)
        self._fleets = {kind: Fleet(getattr(profile, kind), getattr(setup, kind), dice) for kind in BRANCHES}
        self._mergers = [0.0] * setup.merger
        self._merging_s = 0.0
        self._done_at: dict[str, list[float]] = {kind: [0.0] * len(arrivals) for kind in BRANCHES}
        self._queued: dict[str, list[float]] = {kind: [0.0] * len(arrivals) for kind in BRANCHES}
        self._ended = [0.0] * len(arrivals)
        self._left = len(arrivals)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._targets: list[tuple[float, dict[str, int]]] = []
        self._now = 0.0

    def outcome(self) -> Outcome:
        for scene, at in enumerate(self._arrivals):
            self._at(float(at), partial(self._scene, scene))
        if self._scaler:
            self._at(0.0, partial(self._scale, self._scaler))
        while self._left:
            self._now, _, event = heapq.heappop(self._events)
            event(self._now)
        return self._summary()

    def _at(self, time: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), event))

    def _scene(self, scene: int, now: float) -> None:
        for kind, fleet in self._fleets.items():
            for _ in range(self._layers[kind]):
                fleet.arrived(now)
                if fleet.ready:
                    self._paint(kind, scene, now)
                else:
                    fleet.waiting.append(scene)

    def _paint(self, kind: str, scene: int, now: float) -> None:
        fleet = self._fleets[kind]
        replica = fleet.choose()
        self._plan(kind, replica, replica.arrive(Task(scene, now, fleet.layer.steps), now))

    def _plan(self, kind: str, replica: Replica, end: float) -> None:
        version = replica.version

        def ends(now: float) -> None:
            if replica.version != version:
                return
            done, decoded_at, next_end = replica.run_steps(now)
            for task in done:
                begun_at = now if task.begun_at is None else task.begun_at
                queued_s = begun_at - self._arrivals[task.scene]
                self._queued[kind][task.scene] = max(queued_s, self._queued[kind][task.scene])
                self._at(decoded_at, partial(self._painted, kind, task.scene))
            if next_end is not None:
                self._plan(kind, replica, next_end)

        self._at(end, ends)

    def _painted(self, kind: str, scene: int, now: float) -> None:
        self._done_at[kind][scene] = now  # In the end, the time of its last figure.
        self._unpainted[scene] -= 1
        if not self._unpainted[scene]:
            free_at = heapq.heappop(self._mergers)
            ended = max(now, free_at) + self._profile.merge_s
            heapq.heappush(self._mergers, ended)
            self._merging_s += self._profile.merge_s
            self._ended[scene] = ended + self._profile.other_s
            self._left -= 1

    def _scale(self, scaler: Scaler, now: float) -> None:
        targets = scaler(now, self._fleets)
        if any(target != self._fleets[kind].target for kind, target in targets.items()):
            self._targets.append((now, dict(targets)))
        for kind, target in targets.items():
            fleet = self._fleets[kind]
            if target != fleet.target:
                for _ in range(fleet.scale(target, now)):
                    self._at(now + fleet.layer.start_s, partial(self._started, kind))
        self._at(now + TICK_S, partial(self._scale, scaler))

    def _started(self, kind: str, now: float) -> None:
        fleet = self._fleets[kind]
        if fleet.finish_starting(now):
            waiting, fleet.waiting = fleet.waiting, []
            for scene in waiting:
                self._paint(kind, scene, now)

    def _summary(self) -> Outcome:
        begin = int(WARM_UP * len(self._arrivals))
        arrived, ended = np.asarray(self._arrivals, float), np.asarray(self._ended)
        done = {kind: np.asarray(times) for kind, times in self._done_at.items()}
        utilisation = {}
        for kind, fleet in self._fleets.items():
            fleet.count_time(self._now)
            busy_s = fleet.gone_busy_s + sum(replica.busy_s for replica in fleet.ready + fleet.draining)
            utilisation[kind] = busy_s / fleet.replica_s if fleet.replica_s else 0.0
        utilisation["merger"] = self._merging_s / (len(self._mergers) * self._now) if self._now else 0.0
        return Outcome(
            latency_s=(ended - arrived)[begin:],
            late_layer_s=np.abs(done["character"] - done["background"])[begin:],
            queued_s={kind: float(np.mean(waits[begin:])) for kind, waits in self._queued.items()},
            utilisation=utilisation,
            replica_s=sum(fleet.replica_s for fleet in self._fleets.values()),
            lasted_s=self._now,
            most_replicas={kind: fleet.most_ready for kind, fleet in self._fleets.items()},
            targets=self._targets,
        )
