"""Divide the device's time among the requests that it was spent on.

Each act of the model's thread (reading the words, a forward, a decode) is charged to the callers whose
pictures were in it, also where it failed or where they left meanwhile. So all shares together are the time in
which the device was busy.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deployments.diffusion.engine.work_item import Listener, WorkItem
from deployments.messages import LayerJob, Unanswered, Usage

UNANSWERED_S = 30.0
"""How long the usage of a request without an answer is reported: every reader has seen it by then."""
MOST_UNANSWERED = 1_024
"""The most entries. Beyond it those that took least are dropped: most ended in the queue."""
MOST_TENANTS = 1_000
OTHERS = "(others)"


class DeviceTime:
    """Charge acts on the model's thread, and report them on any other.

    `clock` measures the acts, `now` how long ago a request ended; both are monotonic, in seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._by_tenant: dict[str, float] = {}
        self._unanswered: list[tuple[float, str, LayerJob, Listener]] = []
        self._charging: frozenset[Listener] = frozenset()

    @contextmanager
    def charge(self, work_items: Sequence[WorkItem]) -> Iterator[None]:
        """Charge the time of the block to the callers of these items, each by its rows in the forward.

        Callers of one item have equal shares of it.
        """
        parts = [(item, item.payers, _rows(item), _steps_done(item)) for item in work_items]
        rows = sum(part[2] for part in parts)
        self._charging = frozenset(payer for part in parts for payer in part[1])
        began = self.clock()
        try:
            yield
        finally:
            took_s = self.clock() - began
            with self._lock:
                for item, payers, own_rows, done_before in parts:
                    request = item.request
                    area = request.width_px * request.height_px / 1e6
                    used = Usage(took_s * own_rows / rows, area * max(0, _steps_done(item) - done_before))
                    for payer in payers:
                        self._charge(payer, used.share(len(payers)))
                self._charging = frozenset()

    def _charge(self, payer: Listener, used: Usage) -> None:
        payer.usage += used
        tenant = payer.tenant
        if tenant not in self._by_tenant and len(self._by_tenant) >= MOST_TENANTS:
            tenant = OTHERS
        self._by_tenant[tenant] = self._by_tenant.get(tenant, 0.0) + used.device_s

    def by_tenant(self) -> dict[str, float]:
        """Return the seconds since the start that were charged to each tenant."""
        with self._lock:
            return dict(self._by_tenant)

    def end_unanswered(self, job: LayerJob, listener: Listener) -> None:
        """Note that a request has ended without its layer: it failed, or its caller left."""
        with self._lock:
            self._unanswered.append((self._now(), secrets.token_hex(6), job, listener))
            if len(self._unanswered) > MOST_UNANSWERED:
                self._forget_old()
            if len(self._unanswered) > MOST_UNANSWERED:
                self._unanswered.remove(min(self._unanswered, key=self._took))

    def unanswered(self) -> tuple[Unanswered, ...]:
        """Return what ended so lately. What is in a forward at this moment is left out until that is over."""
        with self._lock:
            self._forget_old()
            return tuple(
                (name, job.tenant, job.request_id, job.path, used.device_s, used.megapixel_steps)
                for _, name, job, listener in self._unanswered
                if listener not in self._charging and (used := listener.usage) != Usage()
            )

    def _forget_old(self) -> None:
        oldest = self._now() - UNANSWERED_S
        self._unanswered = [each for each in self._unanswered if each[0] >= oldest]

    def _took(self, entry: tuple[float, str, LayerJob, Listener]) -> tuple[bool, float]:
        """Say how much an entry is worth keeping. Of one in a forward it is not known yet what it takes."""
        listener = entry[3]
        return listener in self._charging, listener.usage.device_s


def _rows(item: WorkItem) -> int:
    painting = item.painting
    return 1 if painting is None else max(1, painting.rows * painting.calls)


def _steps_done(item: WorkItem) -> int:
    return 0 if item.painting is None else item.painting.done
