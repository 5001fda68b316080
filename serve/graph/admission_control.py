"""Admit a request's layers, or refuse them at once if the work ahead would make them late.

Each replica reports its speed and how much work it holds (deployments/reports/routing_stats.py), and this
process knows what it admitted itself. A scene's layers are admitted together or not at all. The replica's own
scheduler refuses the late layers that cannot be foreseen here.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from deployments.errors import TOO_LONG, TOO_MUCH_AHEAD, DeadlineExceeded, Overloaded
from deployments.messages import LayerJob
from deployments.reports.routing_stats import RoutingStats

from .replica_registry import NOWHERE, Replicas

QUEUE_FULL = "every replica's queue is full; try again shortly"
CAUTION = 1.4
"""The factor applied to the expected wait, since shorter work that comes later goes first. At five times the
capacity, 1.0 spends a quarter of the steps on scenes that end too late, and 1.4 a fiftieth
(tests/serve/graph/test_overload.py)."""
AFTERWARDS_S = 0.5
"""The seconds allowed for the merge and the network."""
STALE_S = 3.0
"""The longest that a replica's report takes to arrive here."""
SHARE = 4
"""A tenant may have up to this many waiting layers per free place: four fifths of the places while it is
alone, and four ninths if there are two tenants (Choudhury and Hahne 1998, dynamic queue length thresholds).
So there is always a place for a new tenant."""


@dataclass(frozen=True)
class Speed:
    """The megapixel-steps per second of all replicas together; zero while that is not known."""

    rate: float
    least_megapixel_step_s: float
    interactive: float

    @classmethod
    def of(cls, stats: Sequence[RoutingStats | None]) -> Speed:
        """Sum the replicas' speeds.

        A replica that has painted nothing yet counts as an average one. One that cannot paint is left out.
        """
        stats = [each for each in stats if each is None or not each.unready]
        known = [each for each in stats if each is not None]
        rates = [1 / each.megapixel_step_s for each in known if each.megapixel_step_s > 0]
        return cls(
            len(stats) * sum(rates) / len(rates) if rates else 0.0,
            min((each.least_megapixel_step_s for each in known), default=0.0),
            sum(each.interactive for each in known),
        )


@dataclass(frozen=True, eq=False)
class _Inside:
    """One admitted layer. Its cost is computed once, since each later request sums the costs of all."""

    tenant: str
    cost: float


class AdmissionControl:
    """Admission control for one process.

    `places`: how many layers may wait for a replica, by generator. `clock`: that of the deadlines.
    """

    def __init__(
        self,
        replicas: Callable[[str], Replicas | None] = NOWHERE.get,
        places: Mapping[str, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._replicas_of = replicas
        self._places = places or {}
        self._clock = clock
        self._inside: defaultdict[str, list[_Inside]] = defaultdict(list)
        self._ended: defaultdict[str, deque[tuple[float, float]]] = defaultdict(deque)
        """The layers that ended, by generator: the time and the cost of each."""

    @contextmanager
    def admit(self, *jobs: LayerJob) -> Iterator[None]:
        """Admit the layers for the duration of the block. Raises Overloaded and DeadlineExceeded."""
        admitted: list[tuple[str, _Inside]] = []
        beside: Counter[str] = Counter()
        for job in jobs:
            if self._is_cached(job):
                continue
            # Each further figure of a scene waits behind the first, and needs its own place.
            try:
                self._check(job, beside[job.generator])
            except BaseException:
                self._leave(admitted)
                raise
            admitted.append((job.generator, _Inside(job.tenant, job.cost)))
            self._inside[job.generator].append(admitted[-1][1])
            beside[job.generator] += 1
        try:
            yield
        finally:
            self._leave(admitted)
            now = self._clock()
            for generator, inside in admitted:
                self._ended[generator].append((now, inside.cost))
                self._forget_ended(generator)

    def _leave(self, admitted: Sequence[tuple[str, _Inside]]) -> None:
        for generator, inside in admitted:
            self._inside[generator].remove(inside)

    def place_frees_in_s(self, job: LayerJob, places: int = 1) -> float | None:
        """Return the seconds that `places` such jobs take, one after the other.

        Return None if the replicas' speed is not known.
        """
        replicas = self._replicas_of(job.generator)
        rate = Speed.of(replicas.routing_stats()).rate if replicas else 0.0
        return places * job.cost / rate if rate else None

    def _is_cached(self, job: LayerJob) -> bool:
        """Return True if an equal layer is being painted or is cached, so that no work is left to do."""
        replicas = self._replicas_of(job.generator)
        return replicas is not None and replicas.is_cached(job)

    def _check(self, job: LayerJob, beside: int) -> None:
        replicas = self._replicas_of(job.generator)
        if replicas is None:
            return
        speed, left_s = Speed.of(replicas.routing_stats()), job.deadline_at - self._clock()
        if job.megapixel_steps * speed.least_megapixel_step_s > left_s:
            raise DeadlineExceeded(TOO_LONG)
        before = self._before(job, speed)
        if before and speed.rate:
            late_s = CAUTION * (before + job.cost) / speed.rate + AFTERWARDS_S - left_s
            if late_s > 0:
                raise Overloaded(TOO_MUCH_AHEAD, retry_after_s=late_s)
        self._check_places(job, replicas, beside)

    def _before(self, job: LayerJob, speed: Speed) -> float:
        """Return the work ahead of this job.

        Fair queueing bounds each other tenant's work ahead of it by the work of its own tenant, this job
        included.
        """
        by_tenant: defaultdict[str, float] = defaultdict(float)
        for other in self._inside[job.generator]:
            by_tenant[other.tenant] += other.cost
        mine = by_tenant.pop(job.tenant, 0.0)
        others = sum(min(theirs, mine + job.cost) for theirs in by_tenant.values())
        return mine + others + max(0.0, speed.interactive - self._reported_at_most(job.generator))

    def _reported_at_most(self, generator: str) -> float:
        """Return the most work admitted here that the reports can include; the rest is from elsewhere."""
        self._forget_ended(generator)
        inside = sum(each.cost for each in self._inside[generator])
        return inside + sum(cost for _, cost in self._ended[generator])

    def _forget_ended(self, generator: str) -> None:
        """Forget layers that ended long ago."""
        ended = self._ended[generator]
        while ended and self._clock() - ended[0][0] > STALE_S:
            ended.popleft()

    def _check_places(self, job: LayerJob, replicas: Replicas, beside: int) -> None:
        """Refuse a layer if its tenant has no place left. `beside` layers of its scene took theirs first."""
        places = self._places.get(job.generator)
        if places is None:
            return
        waiting = replicas.waiting()
        mine, free = waiting[job.tenant] + beside, places - waiting.total() - beside
        if mine >= SHARE * free:
            too_many = int((mine - SHARE * free) / (1 + SHARE)) + 1
            raise Overloaded(QUEUE_FULL, retry_after_s=self.place_frees_in_s(job, too_many))
