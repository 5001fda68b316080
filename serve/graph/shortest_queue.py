"""Send each request to the replica with the shortest queue.

Ray Serve's power of two choices compares two replicas by what they last said. A replica counts what has
arrived, and requests that come together are chosen before the first of them has: so some replicas get more
than their share. This router counts what it has chosen and sent itself, and compares all replicas.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter
from ray.serve.request_router import PendingRequest, ReplicaID, RunningReplica

PROBE_EVERY_S = 1.0
"""Replicas whose queues are not known are probed at most this often."""


Chosen = asyncio.Future[RunningReplica]
"""The future of a request's choice. Ray's ids are shared by all calls of one HTTP request."""


class ShortestQueueRouter(PowerOfTwoChoicesRequestRouter):
    """Follows power of two choices where no queue's length is known or none has room."""

    def initialize_state(self, **kwargs: Any) -> None:
        self._chosen: dict[Chosen, ReplicaID] = {}
        self._under_way = Counter[ReplicaID]()
        self._probing = asyncio.Lock()
        self._probes: set[asyncio.Future[Any]] = set()
        self._probed_at = -PROBE_EVERY_S

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        ranks: list[list[RunningReplica]] = await super().choose_replicas(candidate_replicas, pending_request)
        if not self._use_replica_queue_len_cache:  # Ray Client alone keeps no lengths.
            return ranks
        await self._probe_unknown()
        return [self._shortest(), *ranks]

    async def _choose_replica_for_request(
        self, pending_request: PendingRequest, *, is_retry: bool = False
    ) -> RunningReplica:
        """Forget the choice once the request is being sent, or its caller has given up. Overrides Ray's."""
        try:
            return await super()._choose_replica_for_request(pending_request, is_retry=is_retry)
        finally:
            self._chosen.pop(pending_request.future, None)

    def _choose(self, pending_request: PendingRequest, replica: RunningReplica) -> None:
        """Let the request go to the replica, and count it as there."""
        self._chosen[pending_request.future] = replica.replica_id
        pending_request.future.set_result(replica)

    def on_send_request(self, replica_id: ReplicaID) -> None:
        self._under_way[replica_id] += 1
        super().on_send_request(replica_id)

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """Stop counting a request that was sent.

        Ray calls it once for each, also where it was refused. Rarely, it calls it for one whose sending
        failed too, which takes one off another's count until that ends.
        """
        self._under_way[replica_id] -= 1
        if self._under_way[replica_id] <= 0:
            del self._under_way[replica_id]

    def _queue_length(self, replica_id: ReplicaID) -> int | None:
        """Return how many requests the replica has, as far as this process knows; None where it does not."""
        heard = self._replica_queue_len_cache.get(replica_id)
        if heard is None:
            return None
        coming = sum(chosen == replica_id for chosen in self._chosen.values())
        return max(heard, self._under_way[replica_id]) + coming

    async def _probe_unknown(self) -> None:
        """Probe the replicas whose queues are not known. Requests that come together probe once.

        Wait for the answers only where no queue is known: a replica that is slow to answer delays nobody.
        """
        async with self._probing:
            serving = self._serving()
            unknown = [each for each in serving if self._queue_length(each.replica_id) is None]
            if not unknown or self._get_curr_time_s() - self._probed_at < PROBE_EVERY_S:
                return
            self._probed_at = self._get_curr_time_s()
            probe = asyncio.ensure_future(self._probe_queue_lens(unknown, 0))
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)
            if len(unknown) == len(serving):
                await asyncio.shield(probe)

    def _shortest(self) -> list[RunningReplica]:
        """Return the replica with the shortest queue of those that have room, one by chance of equal ones."""
        room: dict[RunningReplica, int] = {}
        for replica in self._serving():
            length = self._queue_length(replica.replica_id)
            if length is not None and length < replica.max_ongoing_requests:
                room[replica] = length
        least = [replica for replica, length in room.items() if length == min(room.values())]
        return [random.choice(least)] if least else []  # noqa: S311 (nothing is secret here)

    def _serving(self) -> Sequence[RunningReplica]:
        """Return the replicas that may get a request."""
        return list(self._replicas.values())
