"""Keep the pictures of a response for a while, and link to them."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request

from deployments.merge_work import written_px
from deployments.messages import LayerJob, Picture, UploadJob

from ..api.response_bodies import Links
from ..auth.middleware import tenant_of
from ..graph.scene_job import SceneJob
from ..http.paths import address
from ..jobs.scene_jobs import PNG_BYTES_A_PX, expected_bytes
from ..pictures.kept_results import ResultService
from .charges import note_done


async def check_room(
    request: Request,
    results: ResultService,
    jobs: Iterable[SceneJob | LayerJob | UploadJob],
    links: bool = True,
    response: bool = False,
) -> None:
    """Refuse with 507, before anything is painted, a response that could not be kept.

    `links` says whether its pictures are to be kept, and `response` whether the whole response is.
    """
    counts, sizes = zip(*map(_expected, jobs), strict=True)
    count, size = sum(counts) * links + response, sum(sizes) * (links + response)
    await results.check_room(tenant_of(request), count, size)


def _expected(job: SceneJob | LayerJob | UploadJob) -> tuple[int, int]:
    """Return the most pictures that a response can have, and their expected bytes."""
    if isinstance(job, LayerJob):
        return 1, PNG_BYTES_A_PX * job.width_px * job.height_px
    merge, figures = job.merge, len(job.layers) - 1 if isinstance(job, SceneJob) else len(job.characters)
    # A figure has three: as it was painted, its mask, and its cut-out.
    count = 2 + 3 * figures if merge.layers else 1
    if isinstance(job, SceneJob):
        return count, expected_bytes(job)
    return count, PNG_BYTES_A_PX * written_px(merge, job.characters_px, job.background_px)


async def linked(request: Request, results: ResultService, pictures: Iterable[Picture]) -> Links:
    """Keep what was painted, and return the links to it. Raises Refusal 507 if there is no room."""
    note_done(request)
    links = dict[bytes, tuple[str, int]]()
    for picture in pictures:
        if picture.data not in links:
            path, expires_at = await results.link(tenant_of(request), picture.data, picture.format)
            links[picture.data] = address(request, path, results.base_url), expires_at
    return links
