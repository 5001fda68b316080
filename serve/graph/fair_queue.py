"""Choose the next of several layers that wait for a replica, without Ray or a clock.

Start-time fair queueing (Goyal, Vin and Cheng 1996): each tenant's work is laid end to end on one virtual
time axis, and the piece that begins first is next. So waiting tenants get equal shares of the work, however
much one requests. A new tenant is next at once, and none is owed anything for time when it requested nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployments.messages import LayerJob


class LayerFairQueue:
    def __init__(self) -> None:
        self._ends: dict[str, float] = {}
        self._virtual = 0.0

    def next(self, waiting: Sequence[tuple[LayerJob, float]], now: float) -> int:
        """Return the index of the layer to serve next.

        `waiting`: jobs, the oldest first, each with its arrival time by the same clock as its `deadline_at`.

        Interactive work goes first. Batch work that has used half of its time counts as interactive, as it
        does in the replicas (deployments/diffusion/scheduling/scheduler.py).
        """
        urgent = [index for index, (job, since) in enumerate(waiting) if not _stands_back(job, since, now)]
        heads: dict[str, int] = {}
        for index in urgent or range(len(waiting)):
            heads.setdefault(waiting[index][0].tenant, index)
        tenant = min(heads, key=lambda name: (self._begin(name), heads[name]))
        self._virtual = self._begin(tenant)
        self._ends[tenant] = self._virtual + waiting[heads[tenant]][0].cost
        self._ends = {name: end for name, end in self._ends.items() if end > self._virtual}
        return heads[tenant]

    def _begin(self, tenant: str) -> float:
        return max(self._virtual, self._ends.get(tenant, 0.0))


def _stands_back(job: LayerJob, since: float, now: float) -> bool:
    return job.priority == "batch" and now < (since + job.deadline_at) / 2
