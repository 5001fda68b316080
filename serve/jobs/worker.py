"""The deployment that works jobs off: it takes scenes, has the graph paint them, and keeps their pictures.

Any number of replicas may run. One that dies is noticed when its leases run out, and loses only its time.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import InvalidRequest, NotReady, Overloaded, ScenewrightError

from ..answers import scene_headers
from ..collecting import let_go
from ..config import ServiceConfig
from ..error_answers import error_of
from ..logs import logger
from ..scene import Graph, Handle, SceneResult, render
from ..spans import REQUEST_ID, spanning
from ..tracing import send_traces
from .database import open_database
from .leases import Claim, Leases
from .pictures import Pictures, open_pictures
from .scene_jobs import ready_to_paint

RETRY_S = 1.0
FORGET_EVERY_S = 60.0
YOUNG_S = 3_600.0


class JobWorker:
    """Begins by itself. Its health is that of its loop."""

    def __init__(self, config: ServiceConfig, character: Handle, background: Handle, merger: Handle) -> None:
        send_traces(config.tracing)
        self._config = config.jobs
        self._state_dir = config.state_folder
        self._graph = Graph(character, background, merger)
        self._painting: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._forgot_at = 0.0
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def check_health(self) -> None:
        if self._working.done():
            raise RuntimeError("the job worker's loop has ended")
        let_go()

    async def stop(self) -> None:
        """Drop what is under way; its leases run out."""
        tasks = [self._working, *self._painting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        leases, pictures = await self._open()
        while True:
            try:
                await self._turn(leases, pictures)
            except (SQLAlchemyError, OSError):
                logger.exception("jobs cannot be worked off at present")
            self._wake.clear()
            try:
                async with asyncio.timeout(self._config.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _open(self) -> tuple[Leases, Pictures]:
        """A database that is not there yet keeps jobs waiting, and nothing else of the service."""
        while True:
            try:
                return await asyncio.to_thread(_open, self._config, self._state_dir)
            except (SQLAlchemyError, OSError):
                logger.exception("the database of jobs cannot be opened")
                await asyncio.sleep(RETRY_S)

    async def _turn(self, leases: Leases, pictures: Pictures) -> None:
        now = time.time()
        if self._painting:
            held = await asyncio.to_thread(leases.renew, list(self._painting), now)
            for lease in self._painting.keys() - held:
                self._painting[lease].cancel()
        await asyncio.to_thread(leases.recover, now)
        while len(self._painting) < self._config.concurrency:
            claim = await asyncio.to_thread(leases.claim, time.time())
            if claim is None:
                break
            task = asyncio.create_task(self._paint(claim, leases, pictures))
            self._painting[claim.lease] = task
            task.add_done_callback(partial(self._let_go, claim.lease))
        if now - self._forgot_at > FORGET_EVERY_S:
            self._forgot_at = now
            for name in await asyncio.to_thread(leases.forget, now - self._config.retention_s):
                await asyncio.to_thread(pictures.drop, name, now - YOUNG_S)

    def _let_go(self, lease: str, task: asyncio.Task[None]) -> None:
        del self._painting[lease]
        self._wake.set()

    async def _paint(self, claim: Claim, leases: Leases, pictures: Pictures) -> None:
        """Whatever goes wrong in here that is not written down: the lease runs out, and it is tried again."""
        try:
            job = ready_to_paint(claim.job, time.time() + claim.deadline_s)
            with spanning(
                "job scene", {"scenewright.job_id": claim.job_id, REQUEST_ID: job.merge.request_id}
            ):
                scene = await render(self._graph, job)
            await asyncio.to_thread(_keep, claim, leases, pictures, scene)
        except (Overloaded, NotReady, OSError) as error:
            if isinstance(error, OSError):
                logger.warning("a picture of job %s could not be kept: %s", claim.job_id, error)
            wait_s = getattr(error, "retry_after_s", None) or RETRY_S
            await asyncio.to_thread(leases.put_back, claim.lease, time.time() + wait_s)
        except SQLAlchemyError:
            logger.exception("a scene of job %s could not be written down", claim.job_id)
        except Exception as error:
            await asyncio.to_thread(self._fail, claim, leases, error)

    def _fail(self, claim: Claim, leases: Leases, error: Exception) -> None:
        hopeless = isinstance(error, InvalidRequest)
        retry_at = None if hopeless else time.time() + RETRY_S
        if not isinstance(error, ScenewrightError):
            logger.error("scene %d of job %s failed", claim.number, claim.job_id)
        told: dict[str, Any] = error_of(error, f"{claim.job_id}-{claim.number}")["error"]
        leases.fail(
            claim.lease, {name: told[name] for name in ("code", "message", "param")}, time.time(), retry_at
        )


def _keep(claim: Claim, leases: Leases, pictures: Pictures, scene: SceneResult) -> None:
    """Keep the picture and write it down, in one thread, so that cancelling comes before or after it."""
    picture = scene.merged.picture
    name = pictures.put(picture.data)
    kept = leases.succeed(claim.lease, name, picture.format, scene_headers(scene), time.time())
    if kept and not pictures.has(name):
        # Another job had the same picture, and its caller removed it in between.
        pictures.put(picture.data)


def _open(config: Any, state_dir: Path) -> tuple[Leases, Pictures]:
    engine = open_database(config.database_url(state_dir))
    leases = Leases(engine, config.lease_s, config.max_attempts, config.max_losses)
    return leases, open_pictures(config.pictures_place(state_dir))
