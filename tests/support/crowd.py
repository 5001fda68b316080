"""Run admission control, the fair queue, the schedulers and their reports, all real, on a clock that jumps.

Only the durations are simulated: a forward takes `STEP_S` for one picture and 0.7 of that for each further
one, and a merge takes `MERGE_S`. Replicas report their routing stats once a second.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import CostModel
from deployments.diffusion.scheduling.scheduler import ScheduledJob, Scheduler
from deployments.errors import ScenewrightError
from deployments.messages import LayerJob, LayerKind, Priority
from deployments.reports.load_report import LoadTracker
from deployments.reports.routing_stats import RoutingStats
from serve.graph.admission_control import AdmissionControl
from serve.graph.fair_queue import LayerFairQueue

SIDE_PX, STEP_S, MERGE_S, REPORT_EVERY_S = 512, 0.04, 0.1, 1.0
KINDS: tuple[LayerKind, ...] = ("character", "background")
PICTURES = 4
"""How many pictures fit in one forward."""
ROOM, PLACES, REPLICAS = 8, 64, 2
KEY = BatchKey(SIDE_PX, SIDE_PX)


def forward_s(pictures: float) -> float:
    return STEP_S * (1 + 0.7 * (pictures - 1))


def capacity(steps: float) -> float:
    """Return how many scenes are painted per second if every forward is full."""
    return REPLICAS * PICTURES / (steps * forward_s(PICTURES))


@dataclass(eq=False)
class Scene:
    """A scene; `outcome` is its HTTP status, or zero while it is in progress."""

    layers: dict[LayerKind, LayerJob]
    arrived_at: float
    inside: ExitStack = field(default_factory=ExitStack)
    painted: set[LayerKind] = field(default_factory=set)
    outcome: int = 0
    ended_at: float = 0.0
    steps: int = 0

    @property
    def tenant(self) -> str:
        return self.layers["character"].tenant


class Replica:
    def __init__(self, clock: Callable[[], float]) -> None:
        cost_model = CostModel(KEY, {2 * n: forward_s(n) for n in (1, 2, PICTURES)})
        self.scheduler = Scheduler(cost_model, 2 * PICTURES, 8.0, 64)
        self.load_tracker = LoadTracker(clock)
        self.work_items: dict[ScheduledJob, tuple[Scene, LayerJob, ExitStack, Callable[[int], None]]] = {}
        self.stepping = False
        self.reported: RoutingStats | None = None

    def report(self) -> None:
        self.reported = RoutingStats(
            self.load_tracker.megapixel_step_s,
            self.scheduler.cost_model.least_megapixel_step_s,
            self.load_tracker.interactive_cost,
        )


class Replicas:
    def __init__(self, clock: Callable[[], float]) -> None:
        self.replicas = [Replica(clock) for _ in range(REPLICAS)]
        self.order = LayerFairQueue()
        self.queue: list[tuple[Scene, LayerJob, float]] = []

    def routing_stats(self) -> Sequence[RoutingStats | None]:
        return [replica.reported for replica in self.replicas]

    def waiting(self) -> Counter[str]:
        return Counter(job.tenant for _, job, _ in self.queue)

    def is_cached(self, job: LayerJob) -> bool:
        return False


class Crowd:
    """The simulated service: give it scenes, and let it run."""

    def __init__(self) -> None:
        self.now = 0.0
        self.groups = {kind: Replicas(lambda: self.now) for kind in KINDS}
        self.admission = AdmissionControl(self.groups.get, dict.fromkeys(KINDS, PLACES), lambda: self.now)
        self.scenes: list[Scene] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), event))

    def run(self, until: float) -> None:
        self._report()
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()

    def send(
        self,
        at: float,
        steps: int,
        deadline_s: float,
        tenant: str = "",
        priority: Priority = "interactive",
    ) -> None:
        deadline_at = at + deadline_s
        job = LayerJob(
            request_id="id",
            kind="character",
            prompt="a",
            num_inference_steps=steps,
            guidance_scale=7.5,
            seed=1,
            width_px=SIDE_PX,
            height_px=SIDE_PX,
            deadline_at=deadline_at,
            tenant=tenant,
        )
        scene = Scene({kind: replace(job, kind=kind, priority=priority) for kind in KINDS}, at)
        self.scenes.append(scene)
        self.at(at, partial(self._arrive, scene))

    def _report(self) -> None:
        for pool in self.groups.values():
            for each in pool.replicas:
                each.report()
        self.at(self.now + REPORT_EVERY_S, self._report)

    def _arrive(self, scene: Scene) -> None:
        if scene.layers["character"].priority == "interactive":  # Jobs come from elsewhere.
            try:
                scene.inside.enter_context(self.admission.admit(*scene.layers.values()))
            except ScenewrightError:
                self._end(scene, 429)
                return
        for kind, job in scene.layers.items():
            self.groups[kind].queue.append((scene, job, self.now))
        self.at(scene.layers["character"].deadline_at, partial(self._end, scene, 504))
        self._send()

    def _send(self) -> None:
        for pool in self.groups.values():
            while pool.queue:
                replica = min(pool.replicas, key=lambda each: len(each.work_items))
                if len(replica.work_items) >= ROOM:
                    break
                jobs = [(job, since) for _, job, since in pool.queue]
                scene, job, _ = pool.queue.pop(pool.order.next(jobs, self.now))
                state = ScheduledJob(KEY, 2, job.num_inference_steps, self.now, job.deadline_at, job.priority)
                if replica.scheduler.refusal(state, self.now):
                    self._end(scene, 429)
                    continue
                held = ExitStack()
                replica.work_items[state] = (
                    scene,
                    job,
                    held,
                    held.enter_context(replica.load_tracker.job(job)),
                )
                replica.scheduler.add(state)
                self._step(replica)

    def _step(self, replica: Replica) -> None:
        chosen = replica.scheduler.choose(self.now)
        if replica.stepping or not chosen:
            return
        replica.stepping = True
        self.at(self.now + forward_s(len(chosen)), partial(self._stepped, replica, chosen))

    def _stepped(self, replica: Replica, chosen: Iterable[ScheduledJob]) -> None:
        replica.stepping = False
        for state in chosen:
            if state in replica.work_items:  # Its caller may have left meanwhile.
                scene, job, _, reported = replica.work_items[state]
                state.steps_left -= 1
                scene.steps += 1
                reported(job.num_inference_steps - state.steps_left)
                if not state.steps_left:
                    self._leave(replica, state)
                    scene.painted.add(job.kind)
                    if len(scene.painted) == len(KINDS):
                        self.at(self.now + MERGE_S, partial(self._end, scene, 200))
        self._step(replica)
        self._send()

    def _leave(self, replica: Replica, state: ScheduledJob) -> None:
        *_, held, _ = replica.work_items.pop(state)
        held.close()
        replica.scheduler.remove(state)

    def _end(self, scene: Scene, outcome: int) -> None:
        if scene.outcome:
            return
        scene.outcome, scene.ended_at = outcome, self.now
        scene.inside.close()
        for pool in self.groups.values():
            pool.queue = [each for each in pool.queue if each[0] is not scene]
            for replica in pool.replicas:
                for state in [state for state, work in replica.work_items.items() if work[0] is scene]:
                    self._leave(replica, state)
        self.at(self.now, self._send)


def arrivals(rate: float, until: float, seed: int = 0) -> list[float]:
    """Return when independent users would send their requests."""
    dice, times = random.Random(seed), [0.0]
    while times[-1] < until:
        times.append(times[-1] + dice.expovariate(rate))
    return times[1:-1]
