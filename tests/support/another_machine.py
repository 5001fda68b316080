"""A generator in a separate process, whose clocks differ from this process's clocks."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from deployments.character import Character
from deployments.generator import GeneratorConfig
from deployments.messages import LayerJob

UPTIME_S = 1e6
"""The difference between the monotonic clocks: each machine counts from its own start."""
_there: list[Character] = []


def _start(generator: GeneratorConfig, ahead_s: float) -> None:
    clock, uptime = time.time, time.monotonic
    time.time = lambda: clock() + ahead_s
    time.monotonic = lambda: uptime() + UPTIME_S
    _there.append(Character(generator))


def _paint(sent: bytes) -> Any:
    job: LayerJob = pickle.loads(sent)  # noqa: S301
    return asyncio.run(_painted(job))


async def _painted(job: LayerJob) -> Any:
    while not (await _there[0].readiness()).ready:
        await asyncio.sleep(0.01)
    return await _there[0].paint(job)


class Machine:
    """Fake a deployment's handle, as far as a layer without events needs one."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self.paint = self

    def remote(self, job: LayerJob) -> asyncio.Future[Any]:
        return asyncio.wrap_future(self._pool.submit(_paint, pickle.dumps(job)))


class Gathering:
    """A handle of the merger that also accepts layers from a Machine."""

    def __init__(self, merger: Any) -> None:
        self._merger = merger
        self.merge = self

    def remote(self, job: Any, character: Any, background: Any) -> Any:
        async def merged() -> Any:
            layer = await character
            return await self._merger.merge.remote(job, layer, background)

        return asyncio.ensure_future(merged())


@contextmanager
def machine(generator: GeneratorConfig, ahead_s: float) -> Iterator[Machine]:
    with ProcessPoolExecutor(1, get_context("spawn"), _start, (generator, ahead_s)) as pool:
        yield Machine(pool)
