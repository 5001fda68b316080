"""Find how many replicas a load needs: the fewest GPUs whose simulated service meets the latency goal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..autoscaling.decide import Goal as ScalingGoal
from .device_profile import LayerProfile, Profile
from .scaling import JointScaler
from .simulation import BRANCHES, Outcome, Setup, poisson, simulate

MOST_REPLICAS = 512
"""The most replicas of one branch. Beyond it the search gives up."""
MERGER_UTILISATION = 0.5
AUTOSCALED_S = 1_800.0
"""The seconds of arrivals that are also simulated with the scaling policy."""


class NoPlan(ValueError):
    """Report that no number of replicas reaches the goal, and why."""


@dataclass(frozen=True)
class Goal:
    """`percent` of scenes done within `latency_s`, at `rps` scenes a second of `figures` characters each."""

    rps: float
    latency_s: float
    percent: float = 95.0
    figures: int = 1


@dataclass(frozen=True)
class Evaluated:
    setup: Setup
    outcome: Outcome


@dataclass(frozen=True)
class Plan:
    """The chosen setup, and others to compare it with.

    `cheaper` are the setups with one GPU less, those nearest to the goal first. All of them miss it. `spare`
    has one more replica of each branch, so that losing or replacing one costs no latency. `autoscaled` begins
    with the chosen replicas and leaves their number to the service's own policy.
    """

    goal: Goal
    chosen: Evaluated
    cheaper: tuple[Evaluated, ...]
    spare: Setup
    autoscaled: Outcome


class Planner:
    """Search for a plan. Every setup gets the same arrivals, so that two differ only by their replicas."""

    def __init__(self, profile: Profile, goal: Goal, scenes: int = 20_000, seed: int = 0) -> None:
        self._profile, self._goal, self._seed = profile, goal, seed
        self._arrivals: Sequence[float] = poisson(goal.rps, scenes, seed).tolist()
        self._evaluated: dict[Setup, Outcome] = {}

    def plan(self) -> Plan:
        """Return the plan. Raises NoPlan."""
        if self._profile.alone_s > self._goal.latency_s:
            raise NoPlan(
                f"a scene alone on idle replicas takes {self._profile.alone_s:.2f} s on"
                f" {self._profile.device}, so no number of replicas meets {self._goal.latency_s:g} s;"
                " fewer steps or a faster GPU would"
            )
        setup = self._first()
        while not self.meets(setup):
            setup = max(_one_more(setup), key=self._score)
        setup = self._trimmed(setup)
        cheaper = sorted(_one_less(setup), key=self._score, reverse=True)
        return Plan(
            self._goal,
            self._with_outcome(setup),
            tuple(self._with_outcome(less) for less in cheaper if self._stable(less)),
            replace(setup, character=setup.character + 1, background=setup.background + 1),
            self._autoscaled(setup),
        )

    def _autoscaled(self, setup: Setup) -> Outcome:
        other_s = self._profile.merge_s + self._profile.other_s
        goal = ScalingGoal(self._goal.latency_s, self._goal.percent / 100, other_s)
        arrivals = [at for at in self._arrivals if at <= AUTOSCALED_S]
        scaler = JointScaler(goal, most=MOST_REPLICAS)
        return simulate(self._profile, setup, arrivals, self._seed, scaler, self._goal.figures)

    def meets(self, setup: Setup) -> bool:
        return self._percentile_s(setup) <= self._goal.latency_s

    def evaluate(self, setup: Setup) -> Outcome:
        if setup not in self._evaluated:
            self._evaluated[setup] = simulate(
                self._profile, setup, self._arrivals, self._seed, figures=self._goal.figures
            )
        return self._evaluated[setup]

    def least(self, kind: str) -> int:
        """Return the fewest replicas that could keep up if they shared forwards as well as possible."""
        layer: LayerProfile = getattr(self._profile, kind)
        layers = self._goal.figures if kind == "character" else 1
        return math.floor(self._goal.rps * layers * layer.crowded_s) + 1

    def _first(self) -> Setup:
        counts = {kind: self.least(kind) for kind in BRANCHES}
        if max(counts.values()) > MOST_REPLICAS:
            raise NoPlan(f"more than {MOST_REPLICAS} replicas of one layer would be needed")
        merging = math.ceil(self._goal.rps * self._profile.merge_s / MERGER_UTILISATION)
        return Setup(counts["character"], counts["background"], max(1, merging))

    def _trimmed(self, setup: Setup) -> Setup:
        while True:
            still = [less for less in _one_less(setup) if self._stable(less) and self.meets(less)]
            if not still:
                return setup
            setup = max(still, key=self._score)

    def _stable(self, setup: Setup) -> bool:
        return all(getattr(setup, kind) >= self.least(kind) for kind in BRANCHES)

    def _percentile_s(self, setup: Setup) -> float:
        return self.evaluate(setup).percentile_s(self._goal.percent)

    def _score(self, setup: Setup) -> float:
        return -self._percentile_s(setup) if self._stable(setup) else -math.inf

    def _with_outcome(self, setup: Setup) -> Evaluated:
        return Evaluated(setup, self.evaluate(setup))


def _one_more(setup: Setup) -> list[Setup]:
    return [replace(setup, **{kind: getattr(setup, kind) + 1}) for kind in BRANCHES]


def _one_less(setup: Setup) -> list[Setup]:
    return [
        replace(setup, **{kind: getattr(setup, kind) - 1}) for kind in BRANCHES if getattr(setup, kind) > 1
    ]
