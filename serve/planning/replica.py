"""A simulated generator replica: the step engine's turns, without the pictures.

Requests join and leave between turns. A turn is one forward over the most urgent requests, as many as fit.
All turns between two changes are equal, so they are simulated as one: an hour of a cluster takes seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .device_profile import LayerProfile

STRETCH = 8.0
"""GenerationConfig's default: a request is due when it would be done this many times slower than alone."""


@dataclass(eq=False)
class Task:
    """One layer of one scene."""

    scene: int
    arrived_at: float
    steps_left: int
    begun_at: float | None = None


class Replica:
    """One replica. Times are seconds of the simulation's clock. Only the end planned in `version` counts."""

    def __init__(self, layer: LayerProfile) -> None:
        self._layer = layer
        self.tasks: list[Task] = []
        self._new: list[Task] = []
        self._batch: list[Task] = []
        self._free_at = 0.0
        self._from = 0.0
        self._step_s = layer.step_s[1]
        self._steps_to_go = 0
        self.version = 0
        self.busy_s = 0.0

    def arrive(self, task: Task, now: float) -> float:
        """Add a task. Return when to call `run_steps` next, which replaces any time returned before."""
        self.tasks.append(task)
        self._new.append(task)
        if not self._batch or now <= self._from:
            return self._begin(max(now, self._free_at))
        done = math.ceil((now - self._from) / self._step_s - 1e-9)
        self._steps_to_go = min(self._steps_to_go, max(1, done))
        self.version += 1
        return self._from + self._steps_to_go * self._step_s

    def run_steps(self, now: float) -> tuple[list[Task], float, float | None]:
        """Finish the planned turns.

        Returns the tasks that are done, when their pictures are decoded, and when to call this next.
        """
        for task in self._batch:
            task.steps_left -= self._steps_to_go
        self.busy_s += self._steps_to_go * self._step_s
        done = [task for task in self._batch if task.steps_left == 0]
        self.tasks = [task for task in self.tasks if task.steps_left]
        decoding_s = len(done) * self._layer.decode_s
        self.busy_s += decoding_s
        self._free_at = now + decoding_s
        self._batch = []
        return done, self._free_at, self._begin(self._free_at) if self.tasks else None

    def left_s(self) -> float:
        """Return the seconds of work that the replica holds, given how many tasks now share a forward."""
        sharing = max(1, min(len(self.tasks), self._layer.most_pictures))
        step_s = self._layer.forward_s(sharing) / sharing
        return sum(task.steps_left for task in self.tasks) * step_s

    def _begin(self, now: float) -> float:
        encoding_s = len(self._new) * self._layer.encode_s
        self._new.clear()
        self.busy_s += encoding_s
        self._from = self._free_at = now + encoding_s
        self._batch = sorted(self.tasks, key=self._due_at)[: self._layer.most_pictures]
        for task in self._batch:
            if task.begun_at is None:
                task.begun_at = now
        self._step_s = self._layer.forward_s(len(self._batch))
        # The due time of a running task gets earlier, and that of a waiting one does not, so the batch stays
        # until one is done.
        self._steps_to_go = min(task.steps_left for task in self._batch)
        self.version += 1
        return self._from + self._steps_to_go * self._step_s

    def _due_at(self, task: Task) -> float:
        return task.arrived_at + STRETCH * task.steps_left * self._layer.step_s[1]
