"""Admit a request's layers, or refuse at once those that would be late for the work before them.

Each replica reports how fast it is and how much it holds (deployments/reports/routing_stats.py), and this
process knows what it admitted itself. A scene's layers are admitted together or not at all. What cannot be
foreseen here, the replica's own scheduler refuses.
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

QUEUE_FULL = "every replica's queue is full; come back shortly"
CAUTION = 1.4
"""A wait is taken for so much longer than it is expected to be: shorter work that comes later goes first.
With 1.0 a quarter of the steps at five times the capacity are for scenes that end too late, with 1.4 a
fiftieth (tests/serve/graph/test_overload.py)."""
AFTERWARDS_S = 0.5
"""The seconds for the merge and the network."""
STALE_S = 3.0
"""A replica's report arrives here no later than this."""
SHARE = 4
"""A tenant may have so many times as many layers waiting as there are places left: four fifths of them while
it is alone, and each of two four ninths (Choudhury and Hahne 1998, dynamic queue length thresholds). So there
is always a place for a new one."""


@dataclass(frozen=True)
class Speed:
    """Megapixel-steps a second of all replicas together; zero where that is not known yet."""

    rate: float
    least_megapixel_step_s: float
    interactive: float

    @classmethod
    def of(cls, stats: Sequence[RoutingStats | None]) -> Speed:
        """Sum the replicas' speeds.

        A replica that has painted nothing yet counts as an average one, one that cannot paint as none.
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
    """One admitted layer. Its cost is computed once, since each further request sums over all of them."""

    tenant: str
    cost: float


class AdmissionControl:
    """Admission control for one process.

    `places`: how many layers of a generator may wait for a replica. `clock`: the deadlines'.
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
        """By generator: when layers ended, and their costs."""

    @contextmanager
    def admit(self, *jobs: LayerJob) -> Iterator[None]:
        """Admit the layers for as long as the block lasts. Raises Overloaded and DeadlineExceeded."""
        admitted: list[tuple[str, _Inside]] = []
        beside: Counter[str] = Counter()
        for job in jobs:
            if self._is_cached(job):
                continue
            # A scene's further figures come after its first, and take places of their own.
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
        """Return the seconds until `places` such jobs are worked off, one after the other.

        None where the replicas' speed is not known.
        """
        replicas = self._replicas_of(job.generator)
        rate = Speed.of(replicas.routing_stats()).rate if replicas else 0.0
        return places * job.cost / rate if rate else None

    def _is_cached(self, job: LayerJob) -> bool:
        """Return True where an equal layer is painted or kept, which leaves no work to do."""
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

        Fair queueing bounds the other tenants' work ahead of it by the work that its own tenant has ahead of
        it.
        """
        by_tenant: defaultdict[str, float] = defaultdict(float)
        for other in self._inside[job.generator]:
            by_tenant[other.tenant] += other.cost
        mine = by_tenant.pop(job.tenant, 0.0)
        others = sum(min(theirs, mine + job.cost) for theirs in by_tenant.values())
        return mine + others + max(0.0, speed.interactive - self._reported_at_most(job.generator))

    def _reported_at_most(self, generator: str) -> float:
        """Return the most work admitted here that the replicas can have reported; the rest is others'."""
        self._forget_ended(generator)
        inside = sum(each.cost for each in self._inside[generator])
        return inside + sum(cost for _, cost in self._ended[generator])

    def _forget_ended(self, generator: str) -> None:
        """Forget layers that ended long ago."""
        ended = self._ended[generator]
        while ended and self._clock() - ended[0][0] > STALE_S:
            ended.popleft()

    def _check_places(self, job: LayerJob, replicas: Replicas, beside: int) -> None:
        """Refuse a layer without a place to wait in; `beside` layers of its scene take one before it."""
        places = self._places.get(job.generator)
        if places is None:
            return
        waiting = replicas.waiting()
        mine, free = waiting[job.tenant] + beside, places - waiting.total() - beside
        if mine >= SHARE * free:
            too_many = int((mine - SHARE * free) / (1 + SHARE)) + 1
            raise Overloaded(QUEUE_FULL, retry_after_s=self.place_frees_in_s(job, too_many))
