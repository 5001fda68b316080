"""Divide the device's time among the requests that it was spent on.

Each act of the model's thread (encoding a prompt, a forward, a decode) is charged to the callers whose
pictures were in it, even if it failed or they left meanwhile. So the shares add up to the time in which the
device was busy.
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
"""How long the usage of a request without a response is reported: every reader has seen it by then."""
MOST_UNANSWERED = 1_024
"""The most such requests. Beyond it those that took least are dropped, since most ended in the queue."""
MOST_TENANTS = 1_000
OTHERS = "(others)"


class DeviceTime:
    """Charge acts on the model's thread, and report the charges on any other.

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
        """Charge the block's time to the callers of these items, in proportion to the items' rows.

        The callers of one item share its part equally.
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
        """Return the seconds charged to each tenant since the start."""
        with self._lock:
            return dict(self._by_tenant)

    def end_unanswered(self, job: LayerJob, listener: Listener) -> None:
        """Record that a request ended without its layer: it failed, or its caller left."""
        with self._lock:
            self._unanswered.append((self._now(), secrets.token_hex(6), job, listener))
            if len(self._unanswered) > MOST_UNANSWERED:
                self._forget_old()
            if len(self._unanswered) > MOST_UNANSWERED:
                self._unanswered.remove(min(self._unanswered, key=self._took))

    def unanswered(self) -> tuple[Unanswered, ...]:
        """Return the usage of requests that ended so recently, except those in a forward now under way."""
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
        """Rank an entry by its device time. One in a forward comes last, since its time is not known yet."""
        listener = entry[3]
        return listener in self._charging, listener.usage.device_s


def _rows(item: WorkItem) -> int:
    painting = item.painting
    return 1 if painting is None else max(1, painting.rows * painting.calls)


def _steps_done(item: WorkItem) -> int:
    return 0 if item.painting is None else item.painting.done
