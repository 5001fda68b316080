"""Repaint single pages of a story whose heroes do not look like themselves, and keep the best of a few tries.

The seeds of later attempts follow from those of the first, so that any later run paints the same pictures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy import Engine, select

from deployments.errors import ScenewrightError
from deployments.messages import LayerJob

from ..api.resolve import SEEDS
from ..graph.scene_job import SceneJob, SceneResult
from ..http.error_responses import Refusal
from ..state.database import reading
from ..state.job_tables import stories
from ..telemetry.logs import logger

MOST_REPAINTS = 3
PLACEHOLDER = "placeholder"
STEP = 0x9E3779B97F4A7C15 % SEEDS
"""The distance between the seeds of attempts, which keeps them away from neighbouring seeds too."""
INCONSISTENT = "inconsistent"
"""The word in `degraded` for a figure that stayed below the minimum consistency."""


async def consistent(
    engine: Engine,
    job_id: str,
    job: SceneJob,
    first: SceneResult,
    paint: Callable[[SceneJob], Awaitable[SceneResult]],
) -> tuple[SceneResult, list[str]]:
    """Return the most consistent of a few paintings, and its new entries for `degraded`.

    Scenes of jobs that are not stories are returned unchanged. Raises SQLAlchemyError.
    """
    if not first.consistency:
        return first, []
    least = await asyncio.to_thread(least_consistency, engine, job_id)
    best, best_job = first, job
    for attempt in range(1, MOST_REPAINTS + 1):
        wrong = below(best, least)
        if not wrong:
            break
        # The other layers keep the seeds of the best painting, so that what is right stays right.
        another = best_job.map_layers(_seeds_of(other_seeds(job, wrong, attempt), wrong))
        try:
            painted = await paint(another)
        except (ScenewrightError, Refusal) as error:
            logger.warning("a page of story %s could not be painted again: %s", job_id, error)
            break
        if _rank(painted, least) > _rank(best, least):
            best, best_job = painted, another
    return best, [f"{path}: {INCONSISTENT}" for path in below(best, least)]


def least_consistency(engine: Engine, job_id: str) -> float:
    """Return the minimum consistency of a story's heroes; 0 for a job that is not a story."""
    this = select(stories.c.consistency_min).where(stories.c.job_id == job_id)
    with reading(engine) as connection:
        return float(connection.execute(this).scalar_one_or_none() or 0.0)


def below(scene: SceneResult, least: float) -> list[str]:
    """Return the paths of the figures whose consistency is below `least`.

    Placeholders are left out: they are declared as such, and there was no room to paint them.
    """
    return [path for path, found in _measured(scene).items() if found < least]


def other_seeds(job: SceneJob, paths: list[str], attempt: int) -> SceneJob:
    """Return the job with new seeds for the layers at these paths."""

    def change(layer: LayerJob) -> LayerJob:
        if layer.path not in paths:
            return layer
        return replace(layer, seed=(layer.seed + attempt * STEP) % SEEDS)

    return job.map_layers(change)


def _seeds_of(job: SceneJob, paths: list[str]) -> Callable[[LayerJob], LayerJob]:
    """Return a function that gives the layers at these paths the seeds that they have in `job`."""
    seeds = {layer.path: layer.seed for layer in job.layers if layer.path in paths}
    return lambda layer: replace(layer, seed=seeds.get(layer.path, layer.seed))


def _measured(scene: SceneResult) -> dict[str, float]:
    """Return the consistency of each figure that was painted and compared, by its path."""
    return {
        path: layer.consistency
        for path, layer in scene.named_layers
        if layer.consistency is not None and PLACEHOLDER not in layer.degraded
    }


def _rank(scene: SceneResult, least: float) -> tuple[int, int, list[float]]:
    """Rank a painting by how many figures were compared, how many reach `least`, then the worst, and so on.

    A painting with a placeholder, or with a figure that could not be compared, ranks below any without.
    """
    found = sorted(_measured(scene).values())
    return len(found), sum(each >= least for each in found), found
