"""How much work a generator replica holds and how fast it does it, told in seconds of this replica.

A step costs in proportion to its picture's area, and what a megapixel-step costs is learned from the time that
the replica is busy. So it stands for whatever the engine does to share its forwards, and needs no model of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from deployments.messages import LayerJob

RECENT_S, WINDOW_S = 5.0, 60.0
FORGETTING = 0.995
"""A step: the cost of a megapixel-step is an average over about the last two hundred."""
REMEMBERED = 64
"""Finished jobs; the fastest of them tells how long one takes alone."""


@dataclass(frozen=True)
class WorkReport:
    """`backlog_s`: seconds of work under way or waiting. `request_s`: of one request, at the present sharing of
    forwards; `service_s`: of one alone. `arrived_recent` and `arrived_window`: requests in the last `recent_s`
    and `window_s`. Zero where nothing is known yet.
    """

    backlog_s: float
    request_s: float
    service_s: float
    arrived_recent: float
    recent_s: float
    arrived_window: float
    window_s: float
    jobs: float

    def as_numbers(self) -> dict[str, float]:
        return asdict(self)


@dataclass(eq=False)
class _Task:
    step_units: float
    steps_left: int


class Workload:
    """`clock` gives seconds. Not for several threads: it lives on the replica's event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_at = clock()
        self._tasks: set[_Task] = set()
        self._arrivals: deque[tuple[float, float]] = deque()
        self._fastest: deque[float] = deque(maxlen=REMEMBERED)
        self._told_at = self._began_at
        self._busy_s = 0.0
        self._done_units = 0.0

    @contextmanager
    def job(self, job: LayerJob) -> Iterator[Callable[[int], None]]:
        """Holds the job's work while the block lasts; call what it gives with each step that is done."""
        self._pass_time()
        units = job.width_px * job.height_px / 1e6
        task = _Task(units, job.num_inference_steps)
        arrived_at = self._clock()
        self._arrivals.append((arrived_at, units * job.num_inference_steps))
        self._tasks.add(task)

        def stepped(step: int) -> None:
            self._busy_s *= FORGETTING
            self._done_units *= FORGETTING
            self._pass_time()
            self._done_units += task.step_units
            task.steps_left = max(0, job.num_inference_steps - step)

        try:
            yield stepped
            self._fastest.append((self._clock() - arrived_at) / (units * job.num_inference_steps))
        finally:
            self._pass_time()
            self._tasks.discard(task)

    def report(self) -> WorkReport:
        self._pass_time()
        now = self._clock()
        while self._arrivals and now - self._arrivals[0][0] > WINDOW_S:
            self._arrivals.popleft()
        seconds_per_unit = self._busy_s / self._done_units if self._done_units else 0.0
        left = sum(task.step_units * task.steps_left for task in self._tasks)
        units = [size for _, size in self._arrivals]
        typical = sum(units) / len(units) if units else 0.0
        window_s = min(WINDOW_S, now - self._began_at)
        return WorkReport(
            backlog_s=left * seconds_per_unit,
            request_s=typical * seconds_per_unit,
            service_s=typical * min(self._fastest, default=seconds_per_unit),
            arrived_recent=float(sum(now - at <= RECENT_S for at, _ in self._arrivals)),
            recent_s=min(RECENT_S, window_s),
            arrived_window=float(len(units)),
            window_s=window_s,
            jobs=float(len(self._tasks)),
        )

    def _pass_time(self) -> None:
        now = self._clock()
        if self._tasks:
            self._busy_s += now - self._told_at
        self._told_at = now
