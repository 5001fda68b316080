"""Report how much work a generator replica holds and how fast it does it, in seconds of this replica.

The cost of a step is proportional to its picture's area, with SMALL_PX as the least area. The seconds of a
megapixel-step are learned from the time that the replica is busy, so they cover whatever the engine does to
share its forwards, without a model of it. The layers that the replica paints or keeps are listed by their
cache keys: an equal job costs nothing here.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from deployments.messages import LayerJob

WINDOWS_S = (5, 10, 20, 40, 60)
FORGETTING = 0.995
"""Decay per step: the cost of a megapixel-step is an average over about the last two hundred steps."""
REMEMBERED = 64
"""Finished jobs that are remembered. The fastest of them shows how long one takes alone."""
SCALARS = ("backlog_s", "request_s", "service_s", "age_s", "jobs")
REMEMBERED_LAYERS = 128
"""The keys go to every request router about once a second, at sixteen letters each."""


@dataclass(frozen=True)
class LoadReport:
    """The load of one replica.

    `backlog_s`: seconds of work under way or waiting. `request_s`: seconds of a typical request at the
    present sharing of forwards; `service_s`: the same alone. `arrived`: requests within the last seconds of
    each of WINDOWS_S; counting began `age_s` ago. Values are zero while nothing is known.
    """

    backlog_s: float
    request_s: float
    service_s: float
    arrived: tuple[int, ...]
    age_s: float
    jobs: int

    def as_numbers(self) -> dict[str, float]:
        """Return the flat form that Ray requires; `from_numbers` reads it."""
        numbers = {name: float(getattr(self, name)) for name in SCALARS}
        windows = zip(WINDOWS_S, self.arrived, strict=True)
        return numbers | {f"arrived_{window_s}s": float(count) for window_s, count in windows}

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:
        """Read the flat form. Raises KeyError if a number is missing."""
        scalars: dict[str, Any] = {name: numbers[name] for name in SCALARS}
        return cls(arrived=tuple(int(numbers[f"arrived_{window_s}s"]) for window_s in WINDOWS_S), **scalars)


@dataclass(eq=False)
class _Task:
    arrived_at: float
    step_units: float
    steps: int
    steps_left: int
    urgent: bool

    @property
    def units(self) -> float:
        return self.step_units * self.steps


class LoadTracker:
    """Track the load of a replica.

    `clock` returns seconds. This is not thread-safe: use it on the replica's event loop.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_at = clock()
        self._tasks: set[_Task] = set()
        self._arrivals: deque[_Task] = deque()
        self._fastest: deque[float] = deque(maxlen=REMEMBERED)
        self._told_at = self._began_at
        self._busy_s = 0.0
        self._done_units = 0.0

    @contextmanager
    def job(self, job: LayerJob) -> Iterator[Callable[[int], None]]:
        """Count the job's work while the block runs; call the yielded function with each finished step."""
        self._pass_time()
        task = _Task(
            self._clock(),
            job.step_cost,
            job.steps,
            job.steps,
            job.priority == "interactive",
        )
        self._forget_old()
        self._arrivals.append(task)
        self._tasks.add(task)

        def stepped(step: int) -> None:
            self._busy_s *= FORGETTING
            self._done_units *= FORGETTING
            self._pass_time()
            self._done_units += task.step_units
            task.steps_left = max(0, task.steps - step)

        try:
            yield stepped
            if task.steps_left == 0:
                self._fastest.append((self._clock() - task.arrived_at) / task.units)
            elif task.steps_left == task.steps:
                with suppress(ValueError):  # Already forgotten if the job took long enough.
                    self._arrivals.remove(task)  # Served from a cache: it was no work.
        finally:
            self._pass_time()
            self._tasks.discard(task)

    def report(self) -> LoadReport:
        self._pass_time()
        now = self._clock()
        self._forget_old()
        seconds_per_unit = self.megapixel_step_s
        typical = sum(task.step_units * task.steps for task in self._arrivals) / max(1, len(self._arrivals))
        return LoadReport(
            backlog_s=self.backlog_s,
            request_s=typical * seconds_per_unit,
            service_s=typical * min(self._fastest, default=seconds_per_unit),
            arrived=self._arrived(now),
            age_s=now - self._began_at,
            jobs=self.jobs,
        )

    @property
    def jobs(self) -> int:
        """Return how many jobs are under way or waiting."""
        return len(self._tasks)

    @property
    def backlog_s(self) -> float:
        """Return the seconds of work under way or waiting, without going over arrivals as `report` does."""
        return sum(task.step_units * task.steps_left for task in self._tasks) * self.megapixel_step_s

    def _arrived(self, now: float) -> tuple[int, ...]:
        """Count the requests in each window. They are in order of arrival."""
        times = [task.arrived_at for task in self._arrivals]
        return tuple(len(times) - bisect_left(times, now - window_s) for window_s in WINDOWS_S)

    @property
    def megapixel_step_s(self) -> float:
        """Return the seconds of a megapixel-step at the present sharing of forwards; zero before any step."""
        return self._busy_s / self._done_units if self._done_units else 0.0

    @property
    def interactive_cost(self) -> float:
        """Sum the work, under way or waiting, that comes before another interactive request."""
        return sum(task.step_units * task.steps_left for task in self._tasks if task.urgent)

    def _forget_old(self) -> None:
        """Drop arrivals older than the longest window, whether or not a report is requested."""
        while self._arrivals and self._clock() - self._arrivals[0].arrived_at > WINDOWS_S[-1]:
            self._arrivals.popleft()

    def _pass_time(self) -> None:
        now = self._clock()
        if self._tasks:
            self._busy_s += now - self._told_at
        self._told_at = now


class CachedLayers:
    """The most recently requested layers. `keeps`: whether a layer is kept after it is painted."""

    def __init__(self, keeps: bool) -> None:
        self._keeps = keeps
        self._cache_keys: dict[str, None] = {}

    def begin(self, job: LayerJob) -> None:
        if not job.no_store:
            self._cache_keys.pop(job.cache_key, None)
            self._cache_keys[job.cache_key] = None
            while len(self._cache_keys) > REMEMBERED_LAYERS:
                del self._cache_keys[next(iter(self._cache_keys))]

    def end(self, job: LayerJob, as_requested: bool) -> None:
        """Record that a layer ended. `as_requested`: it was painted as its job requested."""
        if not (as_requested and self._keeps):
            self._cache_keys.pop(job.cache_key, None)

    def cache_keys(self) -> tuple[str, ...]:
        return tuple(self._cache_keys)
