"""Process jobs: claim their scenes, and have them painted (scene_painting.py).

Any number of replicas may run. One that dies is noticed when its leases run out, and only its time is lost.
Leases are renewed by a separate task and thread, so that they do not run out while something else is slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from deployments.heap import freeze

from ..config.service_config import ServiceConfig
from ..graph.ref_cleanup import clean_up
from ..graph.replica_registry import HERE
from ..graph.scene import Graph, Handle, unanswered
from ..pictures.picture_files import Pictures, open_pictures
from ..safety.text_check import text_check_of
from ..state.across_nodes import check_here
from ..state.disk_space import DiskSpace
from ..state.node_local import Marks
from ..state.open_state import open_state
from ..telemetry import metrics
from ..telemetry.logs import logger
from ..telemetry.metrics import Recorder
from ..telemetry.tracing import send_traces
from ..usage.recorder import UsageRecorder
from ..webhooks.sender import WebhookSender
from . import ended_keys
from .background_tasks import again_and_again, log_error, sleeping
from .leases import Leases
from .scene_painting import ScenePainter
from .tidying import tidy
from .work_gate import WorkGate, when_open

OPEN_AGAIN_S = 1.0
TIDY_EVERY_S = 60.0
GAUGE_EVERY_S = 2.0


class JobWorker:
    """Paint the scenes of jobs. It starts when constructed, and is healthy while its tasks run."""

    def __init__(
        self,
        config: ServiceConfig,
        character: Handle,
        background: Handle,
        merger: Handle,
        home: Marks | None = None,
        others: Mapping[str, Handle] | None = None,
    ) -> None:
        check_here(config, home)
        send_traces(config.tracing)
        self._config = config.jobs
        self._webhooks = config.webhooks
        self._state_dir = config.state_folder
        check = text_check_of(config.safety)
        graph = Graph(character, background, merger, replicas=HERE.get, others=others or {}, text_check=check)
        self._disk = DiskSpace(config.jobs, config.state_folder)
        self._usage = UsageRecorder(
            lambda: open_state(self._state_dir, self._config), lambda: unanswered(graph)
        )
        self._painter = ScenePainter(config, graph, self._usage)
        self._recorder = Recorder(metrics.WORKER)
        self._painting: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._renewals = ThreadPoolExecutor(1, thread_name_prefix="leases")
        freeze()
        self._working = asyncio.get_running_loop().create_task(self._run())
        self._working.add_done_callback(log_error)

    async def check_health(self) -> None:
        if self._working.done():
            raise RuntimeError("the job worker's loop has ended")
        clean_up()

    async def stop(self) -> None:
        """Drop the work under way; its leases run out. Wait for a renewal, which holds a connection."""
        tasks = [self._working, *self._painting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._painter.keep_all()
        await self._usage.write()
        await asyncio.to_thread(self._renewals.shutdown)

    async def _run(self) -> None:
        """Run the tasks. If one of them fails, all stop."""
        engine, leases, pictures, gate = await self._open()
        sender = WebhookSender(engine, self._webhooks, self._recorder)
        poll_s = self._config.poll_s
        try:
            async with asyncio.TaskGroup() as tasks:
                for act, rest in (
                    (when_open(gate, sender.turn), sleeping(poll_s)),
                    (when_open(gate, partial(self._claim_scenes, leases, pictures, engine)), self._rest),
                    (partial(self._renew, leases), sleeping(min(poll_s, self._config.lease_s / 3))),
                    (self._record_free_bytes, sleeping(GAUGE_EVERY_S)),
                    (partial(tidy, leases, pictures, engine, self._config), sleeping(TIDY_EVERY_S)),
                ):
                    tasks.create_task(again_and_again(act, rest))
        finally:
            await sender.close()
            await asyncio.to_thread(gate.close)

    async def _open(self) -> tuple[Engine, Leases, Pictures, WorkGate]:
        """Open the database, and retry until it is available.

        Without it jobs wait, and nothing else in the service does.
        """
        while True:
            try:
                return await asyncio.to_thread(_open, self._config, self._state_dir)
            except (SQLAlchemyError, OSError, ValueError):
                logger.exception("the job database cannot be opened; it is tried again")
                await asyncio.sleep(OPEN_AGAIN_S)

    async def _rest(self) -> None:
        """Wait until a scene has ended, or `poll_s` has passed."""
        self._wake.clear()
        try:
            async with asyncio.timeout(self._config.poll_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _claim_scenes(self, leases: Leases, pictures: Pictures, engine: Engine) -> None:
        await asyncio.to_thread(ended_keys.settle, engine, self._config.ended_keys)
        await asyncio.to_thread(leases.recover)
        while len(self._painting) < self._config.concurrency and not self._painter.rests:
            claim = await asyncio.to_thread(leases.claim)
            if claim is None:
                break
            task = asyncio.create_task(self._painter.paint(claim, leases, pictures, engine))
            self._painting[claim.lease] = task
            task.add_done_callback(partial(self._forget, claim.lease))

    async def _renew(self, leases: Leases) -> None:
        """Renew the leases, and stop painting scenes whose leases were lost."""
        mine = list(self._painting)
        if not mine:
            return
        loop = asyncio.get_running_loop()
        held = await loop.run_in_executor(self._renewals, leases.renew, mine)
        for lease in set(mine) - held:
            if lease in self._painting:
                self._painting[lease].cancel()

    async def _record_free_bytes(self) -> None:
        """Record the free disk space. Ray shows a gauge only in the first report after it was set."""
        with suppress(OSError):
            free = await asyncio.to_thread(self._disk.free_bytes)
            if free is not None:
                self._recorder.set(metrics.FREE_BYTES, free)

    def _forget(self, lease: str, task: asyncio.Task[None]) -> None:
        del self._painting[lease]
        self._wake.set()
        log_error(task)


def _open(config: Any, state_dir: Path) -> tuple[Engine, Leases, Pictures, WorkGate]:
    engine = open_state(state_dir, config)
    leases = Leases(engine, config.lease_s, config.max_attempts, config.max_losses)
    return engine, leases, open_pictures(config.pictures_place(state_dir)), WorkGate(engine)
