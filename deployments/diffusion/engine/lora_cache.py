"""Keep the last used LoRAs on the device, and read others while pictures are being painted.

A picture gets all of its LoRAs at once or waits, first come, first served. LoRAs in use stay. Of the others
the least recently used are dropped first.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from deployments.diffusion.lora_weights import LoraWeights, PictureLora
from deployments.errors import (
    DEADLINE_PASSED,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    OutOfMemory,
    ScenewrightError,
)
from deployments.failures import Failure, failure_of
from deployments.messages import LoraUse

log = logging.getLogger(__name__)

Result = TypeVar("Result")

SLICE_S = 0.00001
"""Python's switch interval while a LoRA is read. The model's thread gives up the interpreter at each
operation, and with the default of 5 ms would wait that long each time. `scripts/bench lora` measures the
delay that is left."""
NO_ROOM = "the device does not have enough memory for a LoRA"


@dataclass(eq=False)
class _Held:
    """A LoRA that is held or being read. `users` counts the pictures that wait for it or use it."""

    size_bytes: int
    reading: asyncio.Task[LoraWeights | Failure]
    users: int = 0


class LoraCache:
    """Hold up to `budget_bytes` of LoRAs, on the replica's event loop. Any thread may call `drop_unused`.

    `size_of` predicts the bytes of a LoRA, and `read` reads it. Both block, and are called on a separate
    thread.
    """

    def __init__(
        self,
        size_of: Callable[[LoraUse], int],
        read: Callable[[LoraUse], LoraWeights],
        budget_bytes: int,
    ) -> None:
        self._size_of = size_of
        self._read = read
        self._budget_bytes = budget_bytes
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.RLock()
        self._reading: set[asyncio.Task[LoraWeights | Failure]] = set()
        self._waiting: deque[asyncio.Event] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loras")

    @property
    def size_bytes(self) -> int:
        with self._lock:
            return sum(held.size_bytes for held in self._held.values())

    def hashes(self) -> tuple[str, ...]:
        """Return the hashes of the LoRAs that are held, the least recently used first."""
        with self._lock:
            return tuple(self._held)

    def drop_unused(self) -> bool:
        """Drop the LoRAs that no picture needs now. Return whether there were any. Any thread may call it."""
        with self._lock:
            unused = [sha256 for sha256, held in self._held.items() if not held.users]
            for sha256 in unused:
                del self._held[sha256]
        return bool(unused)

    @asynccontextmanager
    async def lent(
        self, uses: Sequence[LoraUse], deadline_at: float
    ) -> AsyncGenerator[tuple[PictureLora, ...], None]:
        """Hold a picture's LoRAs while the block runs.

        Raises InvalidRequest, naming the LoRA that cannot be used, or all of them if they are too large.
        Raises OutOfMemory if the device has no room for one even after the unused ones were dropped, and
        DeadlineExceeded if they are not ready by `deadline_at`, a time of the monotonic clock.
        """
        taken: list[_Held] = []
        try:
            try:
                async with asyncio.timeout(max(0.0, deadline_at - time.monotonic())):
                    taken = await self._acquire(uses)
                    # Shielded, since other pictures may wait for the same LoRA.
                    weights = [
                        _made(await asyncio.shield(held.reading), use)
                        for use, held in zip(uses, taken, strict=True)
                    ]
            except TimeoutError:
                raise DeadlineExceeded(DEADLINE_PASSED) from None
            yield tuple(PictureLora(use, each) for use, each in zip(uses, weights, strict=True))
        finally:
            for held in taken:
                held.users -= 1
            self._wake_next()

    async def _acquire(self, uses: Sequence[LoraUse]) -> list[_Held]:
        """Wait for room, and begin to read the LoRAs that are not held."""
        sizes: dict[str, int] = {}
        for use in uses:
            if held := self._held.get(use.sha256):
                sizes[use.sha256] = held.size_bytes
            else:
                sizes[use.sha256] = _made(await self._on_thread(self._size_of, use), use)
        if sum(sizes.values()) > self._budget_bytes:
            need, room = (f"{number / 1e6:.3g} MB" for number in (sum(sizes.values()), self._budget_bytes))
            param = uses[0].param.rpartition(".")[0]
            message = f"its LoRAs need {need} of memory, but those of all pictures may use only {room}"
            raise InvalidRequest(message, param or uses[0].param)
        turn = asyncio.Event()
        self._waiting.append(turn)
        try:
            while self._waiting[0] is not turn or not self._has_room(sizes):
                turn.clear()
                await turn.wait()
            return self._hold(uses, sizes)
        finally:
            self._waiting.remove(turn)
            self._wake_next()

    def _has_room(self, sizes: Mapping[str, int]) -> bool:
        with self._lock:
            used = {each: held for each, held in self._held.items() if held.users}
        others = sum(held.size_bytes for each, held in used.items() if each not in sizes)
        return others + sum(sizes.values()) <= self._budget_bytes

    def _hold(self, uses: Sequence[LoraUse], sizes: Mapping[str, int]) -> list[_Held]:
        with self._lock:
            new_bytes = sum(size for sha256, size in sizes.items() if sha256 not in self._held)
            for sha256, held in list(self._held.items()):
                if self.size_bytes + new_bytes <= self._budget_bytes:
                    break
                if not held.users and sha256 not in sizes:
                    del self._held[sha256]
            for use in uses:
                if use.sha256 not in self._held:
                    self._held[use.sha256] = _Held(sizes[use.sha256], self._begin_reading(use))
                self._held.move_to_end(use.sha256)
                self._held[use.sha256].users += 1
            return [self._held[use.sha256] for use in uses]

    def _begin_reading(self, use: LoraUse) -> asyncio.Task[LoraWeights | Failure]:
        task = asyncio.ensure_future(self._on_thread(self._read, use))
        self._reading.add(task)

        def end(task: asyncio.Task[LoraWeights | Failure]) -> None:
            self._reading.discard(task)
            with self._lock:
                held = self._held.get(use.sha256)
                if held is None or held.reading is not task:
                    return  # It was dropped meanwhile.
                outcome = None if task.cancelled() else task.result()
                if isinstance(outcome, LoraWeights):
                    held.size_bytes = outcome.size_bytes
                else:  # Not kept, so that the next use tries again: its file may have changed by then.
                    del self._held[use.sha256]
            self._wake_next()

        task.add_done_callback(end)
        return task

    async def _on_thread(self, work: Callable[[LoraUse], Result], use: LoraUse) -> Result | Failure:
        """Run `work` on the thread, and once more if it ran out of memory and unused LoRAs could be dropped.

        Return what `work` raises as a Failure, since several callers may wait for it.
        """

        def guarded() -> Result | Failure:
            before, collects = sys.getswitchinterval(), gc.isenabled()
            sys.setswitchinterval(min(before, SLICE_S))
            gc.disable()  # A collection would delay the step.
            try:
                return with_room()
            finally:
                sys.setswitchinterval(before)
                if collects:
                    gc.enable()

        def with_room() -> Result | Failure:
            try:
                return work(use)
            except OutOfMemory as error:
                full = failure_of(error, OutOfMemory, NO_ROOM)  # This also frees what was read so far.
            except BaseException as error:
                return failed(error)
            if not self.drop_unused():
                return full
            try:
                return work(use)
            except BaseException as error:
                return failed(error)

        def failed(error: BaseException) -> Failure:
            if not isinstance(error, ScenewrightError):
                log.error("the LoRA %s cannot be read", use.name, exc_info=error)
            return failure_of(error, InternalError, f"the LoRA {use.name} could not be read")

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _wake_next(self) -> None:
        if self._waiting:
            self._waiting[0].set()


def _made(outcome: Result | Failure, use: LoraUse) -> Result:
    """Return the result, or raise its failure with the parameter that names the LoRA."""
    if not isinstance(outcome, Failure):
        return outcome
    error = outcome.error()
    if isinstance(error, InvalidRequest):
        raise type(error)(error.message, use.param) from outcome.cause
    raise error
