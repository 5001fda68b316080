"""Send each request to the replica with the shortest queue.

Ray Serve's power of two choices compares two replicas by the queue lengths that they last reported. A replica
counts only what has arrived, and requests that come together are routed before the first of them arrives, so
some replicas get more than their share. This router also counts the requests that it has routed and sent
itself, and it compares all replicas.
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
"""The shortest time between two probes of the replicas whose queue lengths are not known."""


Chosen = asyncio.Future[RunningReplica]
"""A pending request's future, used as its key: all calls of one HTTP request share Ray's ids."""


class ShortestQueueRouter(PowerOfTwoChoicesRequestRouter):
    """Falls back to power of two choices if no queue length is known or no replica has room."""

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
        if not self._use_replica_queue_len_cache:  # Only Ray Client keeps no lengths.
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
        """Route the request to the replica, and count it there."""
        self._chosen[pending_request.future] = replica.replica_id
        pending_request.future.set_result(replica)

    def on_send_request(self, replica_id: ReplicaID) -> None:
        self._under_way[replica_id] += 1
        super().on_send_request(replica_id)

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """Stop counting a request that was sent.

        Ray calls this once for each request, even if it was refused. Rarely Ray also calls it for a request
        that it failed to send. The count is then one too low until the replica's other requests end.
        """
        self._under_way[replica_id] -= 1
        if self._under_way[replica_id] <= 0:
            del self._under_way[replica_id]

    def _queue_length(self, replica_id: ReplicaID) -> int | None:
        """Return how many requests the replica has, as far as this process knows; None if unknown."""
        heard = self._replica_queue_len_cache.get(replica_id)
        if heard is None:
            return None
        coming = sum(chosen == replica_id for chosen in self._chosen.values())
        return max(heard, self._under_way[replica_id]) + coming

    async def _probe_unknown(self) -> None:
        """Probe the replicas whose queue lengths are not known. Requests that come together probe once.

        Wait for the responses only if no queue length is known, so that a slow replica delays nobody.
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
        """Return the replica with the shortest queue among those with room, at random if several tie."""
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
