"""Paint the scenes of jobs and keep their pictures; pause while none can be kept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady, Overloaded
from deployments.messages import Usage

from ..config.service_config import ServiceConfig
from ..graph.bill import Bill, Used
from ..graph.scene import Graph, render
from ..graph.scene_job import SceneJob, SceneResult
from ..pictures import loose_pictures as loose
from ..pictures.picture_files import Pictures
from ..telemetry.logs import logger
from ..telemetry.scene_spans import REQUEST_ID, spanning
from ..usage.recorder import UsageRecorder
from ..usage.usage_store import Who
from .consistency import consistent
from .input_files import read_files
from .leases import Leases
from .scene_jobs import ready_to_paint
from .scene_keeping import fail_scene, keep_scene
from .single_layers import cost_of, of_scene, paint_layer
from .states import Claim

RETRY_S = 1.0
LONGEST_REST_S = 60.0
"""The longest pause after a picture could not be kept: by then its disk or bucket may be back."""


class ScenePainter:
    """Paint claimed scenes over one graph, on a single event loop."""

    def __init__(self, config: ServiceConfig, graph: Graph, usage: UsageRecorder) -> None:
        self._config = config
        self._graph = graph
        self._usage = usage
        self._keeping: set[asyncio.Task[None]] = set()
        self._unkept = 0
        self._resting_until = 0.0

    @property
    def rests(self) -> bool:
        """Return whether painting is paused because no picture could be kept."""
        return time.monotonic() < self._resting_until

    async def keep_all(self) -> None:
        """Wait for the pictures that are being kept."""
        await asyncio.gather(*self._keeping, return_exceptions=True)

    async def paint(self, claim: Claim, leases: Leases, pictures: Pictures, engine: Engine) -> None:
        """Paint a scene and keep it.

        If a fault cannot be recorded, the lease runs out and the scene is tried again.
        """
        try:
            job = ready_to_paint(claim.job, claim.deadline_s, self._config)
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
                    used = bill.taken_off()  # It is recorded once: with the picture, or without.
                    took = {claim.who: Used(1, used.usage)}
                    cost = cost_of(job) * used.pictures  # All paintings cost, though one is kept.
                    keep = partial(keep_scene, claim, result, missed, leases, pictures, engine, took, cost)
                    await asyncio.shield(self._keep_in_thread(keep, claim.who, used.usage))
            self._unkept = 0
        except (Overloaded, NotReady, OSError) as error:
            if isinstance(error, OSError):
                logger.warning("a picture of job %s could not be kept: %s", claim.job_id, error)
                self._rest(error)
            wait_s = getattr(error, "retry_after_s", None) or RETRY_S
            await asyncio.to_thread(leases.put_back, claim.lease, wait_s)
        except SQLAlchemyError:
            logger.exception("the outcome of a scene of job %s could not be recorded", claim.job_id)
        except Exception as error:
            await asyncio.to_thread(fail_scene, claim, leases, error, RETRY_S)

    def _keep_in_thread(
        self, keep: Callable[[threading.Event], None], who: Who, took: Usage
    ) -> asyncio.Task[None]:
        """Keep a picture in a thread, which no cancellation stops. Charge for it even if it is not kept."""

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
        """Paint a scene once more, with the same time limit as at first."""
        deadline_at = time.monotonic() + claim.deadline_s
        return await render(graph, replace(job.with_layers(deadline_at=deadline_at), deadline_at=deadline_at))

    def _rest(self, error: OSError) -> None:
        """Pause painting, twice as long each time: while no picture can be kept, painting is wasted."""
        if not isinstance(error, loose.BeingDropped):
            rest_s = min(LONGEST_REST_S, RETRY_S * 2 ** min(self._unkept, 30))
            self._unkept += 1
            self._resting_until = time.monotonic() + rest_s
