"""Choose which replica paints which layer, and in which order.

Ray Serve calls it in each process that has a handle.

A replica that is not ready gets no work while another is ready: one that fails at once is always idle, and
would attract all the work. Among the ready replicas, a layer goes to the one that paints or caches an equal
layer, as long as that one accepts work. A layer with LoRAs goes to a replica that holds them, unless others
have less to do: one of those then loads them too. If some replicas have unloaded their model, a layer goes to
an idle one that has not. Every other layer goes to the replica with the shortest queue. Layers that wait for
a replica leave in a fair order.
"""

from __future__ import annotations

import random
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from typing import Any

from ray.serve.config import RequestRouterConfig
from ray.serve.request_router import PendingRequest, ReplicaID, RunningReplica

from deployments.messages import LayerJob, LayerKind
from deployments.reports.routing_stats import RoutingStats

from . import replica_registry
from .fair_queue import LayerFairQueue
from .shortest_queue import ShortestQueueRouter

REPORT_EVERY_S = 1.0
SENT_S = 5 * REPORT_EVERY_S
"""For this long a replica counts as holding what was sent to it. By then its own report says so."""
REMEMBERED = 1024
BUSIER = 2
"""How many more requests than the least busy replica a replica may have to be preferred for its LoRAs."""
REFUSED_S = 3 * REPORT_EVERY_S
"""A replica that has refused a layer gets none for this long. By then it has reported its state."""


Sent = OrderedDict[str, tuple[ReplicaID, float]]
RoutedAs = tuple[str, LayerKind, int | None]
"""The fields that identify a layer: any two layers of a request differ in them."""


class LayerRouter(ShortestQueueRouter):
    """The router of one generator; it registers itself. Ray passes it the arguments that `routed` sets."""

    def initialize_state(self, **kwargs: Any) -> None:
        super().initialize_state(**kwargs)
        self._keeps_layers: bool = kwargs["keeps_layers"]
        self._order = LayerFairQueue()
        self._sent: Sent = OrderedDict()
        self._loras_sent: Sent = OrderedDict()
        self._routed: OrderedDict[RoutedAs, ReplicaID] = OrderedDict()
        self._refused: dict[ReplicaID, float] = {}
        # Go through its module: Ray pickles this one by value, with all objects that its globals refer to.
        replica_registry.HERE[kwargs["generator"]] = self

    def routing_stats(self) -> Sequence[RoutingStats | None]:
        return [RoutingStats.from_stats(replica.routing_stats) for replica in list(self._replicas.values())]

    def waiting(self) -> Counter[str]:
        jobs = (_job(pending) for pending in self._still_pending())
        return Counter(job.tenant for job in jobs if job is not None)

    def is_cached(self, job: LayerJob) -> bool:
        return bool(self._cached(job))

    def was_sent(self, job: LayerJob) -> bool:
        return _routed_as(job) in self._routed

    def refused(self, job: LayerJob) -> bool:
        replica_id = self._routed.pop(_routed_as(job), None)
        if replica_id is not None:
            self._refused = {each: at for each, at in self._refused.items() if each in self._replicas}
            self._refused[replica_id] = self._get_curr_time_s()
        return any(self._is_ready(replica) is not False for replica in list(self._replicas.values()))

    def apply_locality_routing(self, pending_request: PendingRequest | None = None) -> set[ReplicaID]:
        """Choose only from the ready replicas, as long as there are any. This overrides Ray's method."""
        near: set[ReplicaID] = super().apply_locality_routing(pending_request)
        return near & {replica.replica_id for replica in self._serving()}

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Rank first the replicas that hold the layer or its LoRAs, and last those yet to report."""
        ranks: list[list[RunningReplica]] = await super().choose_replicas(candidate_replicas, pending_request)
        job = _job(pending_request)
        if job is None:
            return ranks
        preferred = (self._cached(job), self._with_loras(job), self._loaded_and_idle())
        return [*filter(None, preferred), *ranks, self._unknown()]

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        job = _job(pending_request)
        if job is None:
            return
        self._routed[_routed_as(job)] = replica_id
        while len(self._routed) > REMEMBERED:
            self._routed.popitem(last=False)
        for lora in job.loras:
            self._remember(self._loras_sent, lora.sha256, replica_id)
        if not job.no_store and self._keeps_layers:
            self._remember(self._sent, job.cache_key, replica_id)

    def _remember(self, sent: Sent, key: str, replica_id: ReplicaID) -> None:
        now = self._get_curr_time_s()
        sent_to, at = sent.get(key, (None, 0.0))
        if sent_to != replica_id or now - at >= SENT_S:  # Later requests do not renew it.
            sent[key] = replica_id, now
            sent.move_to_end(key)
            while len(sent) > REMEMBERED:
                sent.popitem(last=False)

    def _fulfill_next_pending_request(self, replica: RunningReplica, request_metadata: Any = None) -> None:
        """Serve the pending request that is next in the fair order.

        This overrides Ray's method, which would serve the oldest one.
        """
        pending = self._still_pending()
        if pending:
            served = pending[self._next(replica, pending)]
            self._cancel_routing_task_for_pending_request(served)
            self._record_queue_wait_time(served)
            self._choose(served, replica)
            self._remove_pending_request_from_indices(served)
        self._pending_requests_to_fulfill = deque(self._still_pending())

    def _next(self, replica: RunningReplica, pending: Sequence[PendingRequest]) -> int:
        jobs = [(_job(each), each.created_at) for each in pending]
        for index, (job, _) in enumerate(jobs):
            # It needs no time of the model, so it delays no other job.
            if job is None or (not job.no_store and self._is_kept(job.cache_key, replica)):
                return index
        # Ray records arrivals by the time of day, and a deadline is a time of the monotonic clock.
        now, of_day = time.monotonic(), self._get_curr_time_s()
        layers = [(job, now - (of_day - since)) for job, since in jobs if job is not None]
        return self._order.next(layers, now)

    def _still_pending(self) -> list[PendingRequest]:
        return [pending for pending in list(self._pending_requests_to_fulfill) if not pending.future.done()]

    def _cached(self, job: LayerJob) -> list[RunningReplica]:
        if job.no_store:
            return []
        cache_key = job.cache_key
        return [replica for replica in self._serving() if self._is_kept(cache_key, replica)]

    def _is_kept(self, cache_key: str, replica: RunningReplica) -> bool:
        just_sent = self._was_just_sent(self._sent, cache_key, replica)
        return just_sent or cache_key in replica.routing_stats.get("cached", ())

    def _was_just_sent(self, sent: Sent, key: str, replica: RunningReplica) -> bool:
        sent_to, at = sent.get(key, (None, 0.0))
        return sent_to == replica.replica_id and self._get_curr_time_s() - at < SENT_S

    def _with_loras(self, job: LayerJob) -> list[RunningReplica]:
        """Return the replicas that hold all of a layer's LoRAs, except those much busier than others."""
        if not job.loras:
            return []
        lengths = {each.replica_id: self._queue_length(each.replica_id) or 0 for each in self._serving()}
        most = min(lengths.values(), default=0) + BUSIER
        return [
            each
            for each in self._serving()
            if lengths.get(each.replica_id, 0) <= most and self._holds(each, job)
        ]

    def _holds(self, replica: RunningReplica, job: LayerJob) -> bool:
        held = replica.routing_stats.get("loras", ())
        return all(
            lora.sha256 in held or self._was_just_sent(self._loras_sent, lora.sha256, replica)
            for lora in job.loras
        )

    def _loaded_and_idle(self) -> list[RunningReplica]:
        """Return the idle replicas with a loaded model, or none if all replicas have theirs loaded.

        Treat a replica with an unknown queue length as idle.
        """
        serving = self._serving()
        loaded = [each for each in serving if each.routing_stats.get("loaded", True)]
        if len(loaded) == len(serving):
            return []
        return [replica for replica in loaded if not self._queue_length(replica.replica_id)]

    def _is_ready(self, replica: RunningReplica) -> bool | None:
        """Return whether the replica is ready; None if it has not reported yet."""
        refused_at = self._refused.get(replica.replica_id)
        if refused_at is not None and self._get_curr_time_s() - refused_at < REFUSED_S:
            return False
        return not replica.routing_stats.get("unready") if replica.routing_stats else None

    def _serving(self) -> list[RunningReplica]:
        """Return the ready replicas, else those that may be, else all, whose refusals then say why."""
        replicas = list(self._replicas.values())
        readiness = [self._is_ready(replica) for replica in replicas]
        best = True if True in readiness else None if None in readiness else False
        return [replica for replica, ready in zip(replicas, readiness, strict=True) if ready is best]

    def _unknown(self) -> list[RunningReplica]:
        """Return one replica that has not reported yet, which is better than waiting for a full one."""
        unknown = [each for each in list(self._replicas.values()) if self._is_ready(each) is None]
        return [random.choice(unknown)] if unknown else []  # noqa: S311 (nothing is secret here)


def _routed_as(job: LayerJob) -> RoutedAs:
    return job.request_id, job.kind, job.figure


def _job(pending: PendingRequest | None) -> LayerJob | None:
    """Return the layer's job; None for calls such as `readiness`."""
    argument = pending.args[0] if pending is not None and pending.args else None
    return argument if isinstance(argument, LayerJob) else None


def routed(generator: str, keeps_layers: bool) -> RequestRouterConfig:
    """Return the configuration of the router for a generator's deployment.

    `keeps_layers`: whether finished layers are cached.
    """
    options: dict[str, Any] = {
        "request_router_class": LayerRouter,
        "request_router_kwargs": {"generator": generator, "keeps_layers": keeps_layers},
        "request_routing_stats_period_s": REPORT_EVERY_S,
    }
    return RequestRouterConfig(**options)
