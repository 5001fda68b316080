"""Paint a story's page again whose heroes do not look like themselves: alone, a few times, the best is kept.

The seeds of another attempt follow from those of the first, so that any later run paints the same pictures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy import Engine, select

from deployments.errors import ScenewrightError
from deployments.messages import LayerJob

from ..api.resolve import SEEDS
from ..graph.scene import SceneResult
from ..graph.scene_job import SceneJob
from ..http.error_responses import Refusal
from ..state.database import reading
from ..state.tables import stories
from ..telemetry.logs import logger

MOST_REPAINTS = 3
STEP = 0x9E3779B97F4A7C15 % SEEDS
"""Seeds of attempts lie far from each other, and from their neighbours."""
INCONSISTENT = "inconsistent"
"""The word in `degraded` of a figure that stayed below the least consistency."""


async def consistent(
    engine: Engine,
    job_id: str,
    job: SceneJob,
    first: SceneResult,
    paint: Callable[[SceneJob], Awaitable[SceneResult]],
) -> tuple[SceneResult, list[str]]:
    """Return the most consistent of a few paintings, and what is to be declared of it.

    Scenes of jobs that are no stories are returned as they are. Raises SQLAlchemyError.
    """
    if not first.consistency:
        return first, []
    least = await asyncio.to_thread(least_consistency, engine, job_id)
    best = first
    for attempt in range(1, MOST_REPAINTS + 1):
        if not below(best, least):
            break
        try:
            painted = await paint(other_seeds(job, below(best, least), attempt))
        except (ScenewrightError, Refusal) as error:
            logger.warning("a page of story %s could not be painted again: %s", job_id, error)
            break
        if _lowest(painted) > _lowest(best):
            best = painted
    return best, [f"{path}: {INCONSISTENT}" for path in below(best, least)]


def least_consistency(engine: Engine, job_id: str) -> float:
    """Return what a story's heroes must have at least; 0 for a job that is no story."""
    this = select(stories.c.consistency_min).where(stories.c.job_id == job_id)
    with reading(engine) as connection:
        return float(connection.execute(this).scalar_one_or_none() or 0.0)


def below(scene: SceneResult, least: float) -> list[str]:
    """Return the paths of the figures that do not look enough like themselves."""
    return [path for path, found in scene.consistency.items() if found < least]


def other_seeds(job: SceneJob, paths: list[str], attempt: int) -> SceneJob:
    """Return the job with other seeds for the layers at these paths."""

    def change(layer: LayerJob) -> LayerJob:
        if layer.path not in paths:
            return layer
        return replace(layer, seed=(layer.seed + attempt * STEP) % SEEDS)

    return job.map_layers(change)


def _lowest(scene: SceneResult) -> float:
    return min(scene.consistency.values(), default=0.0)
