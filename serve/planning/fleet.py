"""The replicas of one branch: chosen as Ray Serve does, started with a delay, stopped once empty."""

from __future__ import annotations

import random
from collections import deque

from .device_profile import LayerProfile
from .replica import Replica

REMEMBERED_S = 60.0


class Fleet:
    """`target` replicas are wanted. Those in `ready` take requests, and `starting` lists when others will."""

    def __init__(self, layer: LayerProfile, count: int, dice: random.Random) -> None:
        self.layer = layer
        self._dice = dice
        self.ready = [Replica(layer) for _ in range(count)]
        self.draining: list[Replica] = []
        self.starting: list[float] = []
        self.target = count
        self.arrivals: deque[float] = deque()
        self.waiting: list[int] = []
        """The scenes that arrived while no replica was ready."""
        self.replica_s = 0.0
        self.gone_busy_s = 0.0
        self.most_ready = count
        self._counted_at = 0.0

    def choose(self) -> Replica:
        """Choose as Ray Serve does by default: of two random replicas, the one with fewer requests."""
        if len(self.ready) < 3:
            return min(self.ready, key=lambda replica: len(replica.tasks))
        first, second = self._dice.sample(self.ready, 2)
        return first if len(first.tasks) <= len(second.tasks) else second

    def scale(self, target: int, now: float) -> int:
        """Scale to `target`.

        Return how many replicas begin to start, each ready after the layer's `start_s`.
        """
        self.count_time(now)
        self.target = target
        surplus = len(self.ready) + len(self.starting) - target
        while surplus > 0 and self.starting:
            self.starting.pop()
            surplus -= 1
        for _ in range(max(0, min(surplus, len(self.ready)))):
            idlest = min(self.ready, key=lambda replica: len(replica.tasks))
            self.ready.remove(idlest)
            self.draining.append(idlest)
        missing = max(0, -surplus)
        self.starting += [now + self.layer.start_s] * missing
        return missing

    def finish_starting(self, now: float) -> bool:
        """Make one starting replica ready. Return False if its start has been cancelled."""
        due = [at for at in self.starting if at <= now]
        if not due:
            return False
        self.count_time(now)
        self.starting.remove(due[0])
        self.ready.append(Replica(self.layer))
        self.most_ready = max(self.most_ready, len(self.ready))
        return True

    def count_time(self, now: float) -> None:
        """Count replica seconds: each replica holds its GPU while it starts, paints or drains."""
        self.gone_busy_s += sum(replica.busy_s for replica in self.draining if not replica.tasks)
        self.draining = [replica for replica in self.draining if replica.tasks]
        held = len(self.ready) + len(self.starting) + len(self.draining)
        self.replica_s += held * (now - self._counted_at)
        self._counted_at = now

    def arrived(self, now: float) -> None:
        self.arrivals.append(now)
        while now - self.arrivals[0] > REMEMBERED_S:
            self.arrivals.popleft()

    def backlog_s(self) -> float:
        waiting_s = len(self.waiting) * self.layer.alone_s
        return waiting_s + sum(replica.left_s() for replica in self.ready + self.draining)
