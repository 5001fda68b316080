"""Work jobs off: claim their scenes, have the graph paint them, and keep their pictures.

Any number of replicas may run. One that dies is noticed when its leases run out, and loses only its time.
Leases are renewed by a task and a thread of their own, so that nothing else that takes long outlasts them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady, Overloaded
from deployments.heap import freeze
from deployments.messages import Usage

from ..config.service_config import ServiceConfig
from ..graph.bill import Bill, Used
from ..graph.ref_cleanup import clean_up
from ..graph.replica_registry import HERE
from ..graph.scene import Graph, Handle, render, unanswered
from ..graph.scene_job import SceneJob, SceneResult
from ..pictures import loose_pictures as loose
from ..pictures.picture_files import Pictures, open_pictures
from ..safety.text_check import text_check_of
from ..state.across_nodes import check_here
from ..state.disk_space import DiskSpace
from ..state.node_local import Marks
from ..state.open_state import open_state
from ..telemetry import metrics
from ..telemetry.logs import logger
from ..telemetry.metrics import Recorder
from ..telemetry.scene_spans import REQUEST_ID, spanning
from ..telemetry.tracing import send_traces
from ..usage.recorder import UsageRecorder
from ..usage.usage_store import Who
from ..webhooks.sender import WebhookSender
from . import ended_keys
from .background_tasks import again_and_again, log_error, sleeping
from .consistency import consistent
from .input_files import read_files
from .leases import Leases
from .scene_jobs import ready_to_paint
from .scene_keeping import fail_scene, keep_scene
from .single_layers import cost_of, of_scene, paint_layer
from .states import Claim
from .tidying import tidy

RETRY_S = 1.0
LONGEST_REST_S = 60.0
"""The pause before painting again where no picture could be kept: by then its disk or bucket may be back."""
TIDY_EVERY_S = 60.0
GAUGE_EVERY_S = 2.0


class JobWorker:
    """Paint the scenes of jobs. It starts by itself; its health is that of its tasks."""

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
        self._service = config
        self._config = config.jobs
        self._webhooks = config.webhooks
        self._state_dir = config.state_folder
        check = text_check_of(config.safety)
        self._graph = Graph(
            character, background, merger, replicas=HERE.get, others=others or {}, text_check=check
        )
        self._disk = DiskSpace(config.jobs, config.state_folder)
        self._usage = UsageRecorder(
            lambda: open_state(self._state_dir, self._config), lambda: unanswered(self._graph)
        )
        self._recorder = Recorder(metrics.WORKER)
        self._painting: dict[str, asyncio.Task[None]] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._unkept = 0
        self._resting_until = 0.0
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
        """Drop what is under way; its leases run out. Wait for a renewal that holds a database connection."""
        tasks = [self._working, *self._painting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self._usage.write()
        await asyncio.to_thread(self._renewals.shutdown)

    async def _run(self) -> None:
        """Run the tasks; where one ends, all do."""
        engine, leases, pictures = await self._open()
        sender = WebhookSender(engine, self._webhooks, self._recorder)
        poll_s = self._config.poll_s
        try:
            async with asyncio.TaskGroup() as tasks:
                for act, rest in (
                    (sender.turn, sleeping(poll_s)),
                    (partial(self._claim_scenes, leases, pictures, engine), self._rest),
                    (partial(self._renew, leases), sleeping(min(poll_s, self._config.lease_s / 3))),
                    (self._record_free_bytes, sleeping(GAUGE_EVERY_S)),
                    (partial(tidy, leases, pictures, engine, self._config), sleeping(TIDY_EVERY_S)),
                ):
                    tasks.create_task(again_and_again(act, rest))
        finally:
            await sender.close()

    async def _open(self) -> tuple[Engine, Leases, Pictures]:
        """Open the database, trying until it is there.

        A missing one keeps jobs waiting, and nothing else of the service.
        """
        while True:
            try:
                return await asyncio.to_thread(_open, self._config, self._state_dir)
            except (SQLAlchemyError, OSError, ValueError):
                logger.exception("the database of jobs cannot be opened")
                await asyncio.sleep(RETRY_S)

    async def _rest(self) -> None:
        """Wait until a scene has ended, or a while has passed."""
        self._wake.clear()
        try:
            async with asyncio.timeout(self._config.poll_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _claim_scenes(self, leases: Leases, pictures: Pictures, engine: Engine) -> None:
        await asyncio.to_thread(ended_keys.settle, engine, self._config.ended_keys)
        await asyncio.to_thread(leases.recover)
        while len(self._painting) < self._config.concurrency and time.monotonic() >= self._resting_until:
            claim = await asyncio.to_thread(leases.claim)
            if claim is None:
                break
            task = asyncio.create_task(self._paint(claim, leases, pictures, engine))
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
        """Record how much room there is. Ray shows a gauge only in the report after it was set."""
        with suppress(OSError):
            free = await asyncio.to_thread(self._disk.free_bytes)
            if free is not None:
                self._recorder.set(metrics.FREE_BYTES, free)

    def _forget(self, lease: str, task: asyncio.Task[None]) -> None:
        del self._painting[lease]
        self._wake.set()
        log_error(task)

    async def _paint(self, claim: Claim, leases: Leases, pictures: Pictures, engine: Engine) -> None:
        """Paint a scene and keep it.

        On a fault that is not noted the lease runs out, and the scene is tried again.
        """
        try:
            job = ready_to_paint(claim.job, claim.deadline_s, self._service)
            request_id = f"{claim.job_id}-{claim.number}"
            with spanning("job scene", {"scenewright.job_id": claim.job_id, REQUEST_ID: request_id}):
                files = await asyncio.to_thread(read_files, pictures, job)
                with self._usage.recording(claim.who) as bill:
                    graph, missed = replace(self._graph, files=files), list[str]()
                    if isinstance(job, SceneJob):
                        repaint = partial(self._repaint, graph, claim)
                        first = await render(graph, job)
                        scene, missed = await consistent(engine, claim.job_id, job, first, repaint)
                        result = of_scene(scene)
                    else:
                        result = await paint_layer(graph, job)
                    used = bill.taken_off()  # It is written down once: with the picture, or without.
                    took = {claim.who: Used(1, used.usage)}
                    cost = cost_of(job) * used.pictures  # Each painting costs, and one of them is kept.
                    keep = partial(keep_scene, claim, result, missed, leases, pictures, engine, took, cost)
                    await asyncio.shield(self._in_thread(keep, claim.who, used.usage))
            self._unkept = 0
        except (Overloaded, NotReady, OSError) as error:
            if isinstance(error, OSError):
                logger.warning("a picture of job %s could not be kept: %s", claim.job_id, error)
                self._rest_from_painting(error)
            wait_s = getattr(error, "retry_after_s", None) or RETRY_S
            await asyncio.to_thread(leases.put_back, claim.lease, wait_s)
        except SQLAlchemyError:
            logger.exception("a scene of job %s could not be written down", claim.job_id)
        except Exception as error:
            await asyncio.to_thread(fail_scene, claim, leases, error, RETRY_S)

    def _in_thread(
        self, keep: Callable[[threading.Event], None], who: Who, took: Usage
    ) -> asyncio.Task[None]:
        """Keep a picture in a thread, which no cancel stops. Charge for one that is not kept all the same."""

        async def keep_or_charge() -> None:
            kept = threading.Event()
            try:
                await asyncio.to_thread(keep, kept)
            finally:
                if not kept.is_set():
                    self._usage.record(who, Bill(took))

        task = asyncio.create_task(keep_or_charge())
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
        return task

    async def _repaint(self, graph: Graph, claim: Claim, job: SceneJob) -> SceneResult:
        """Paint a scene once more, with as much time as it had at first."""
        deadline_at = time.monotonic() + claim.deadline_s
        return await render(graph, replace(job.with_layers(deadline_at=deadline_at), deadline_at=deadline_at))

    def _rest_from_painting(self, error: OSError) -> None:
        """Paint nothing for a while that doubles: where no picture can be kept, it would be for nothing."""
        if not isinstance(error, loose.BeingDropped):
            rest_s = min(LONGEST_REST_S, RETRY_S * 2 ** min(self._unkept, 30))
            self._unkept += 1
            self._resting_until = time.monotonic() + rest_s


def _open(config: Any, state_dir: Path) -> tuple[Engine, Leases, Pictures]:
    engine = open_state(state_dir, config)
    leases = Leases(engine, config.lease_s, config.max_attempts, config.max_losses)
    return engine, leases, open_pictures(config.pictures_place(state_dir))
