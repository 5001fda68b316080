"""Render everything except whole scenes: single layers, cut-outs, sheets and uploaded files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from deployments.merge_work import MEGA, read_on_the_way, upscaled_px, work_in_transit
from deployments.messages import (
    LayerJob,
    LayerResult,
    MergeResult,
    OutputOptions,
    Picture,
    PictureJob,
    SheetJob,
    SheetResult,
    UploadJob,
)
from deployments.queueing.work_queue import QueuedWork

from .bill import count_picture
from .replica_calls import Deadline, Response, all_or_none, merger_call
from .scene import Graph, admitted, compared_meanwhile, finish, paint, with_consistency
from .stream_reader import OnEvent


async def render_layer(
    graph: Graph, job: LayerJob, output: OutputOptions, on_event: OnEvent | None = None
) -> tuple[LayerResult, Picture]:
    """Paint one layer alone. The merger's replicas encode it, so that the edge never touches pixels."""
    async with admitted(graph, job.deadline_at, job):
        response, layer = await paint(graph, job, on_event)
        encode = _merger_call(graph, "encode", job, output, response)
        return await _finished(graph, job, output, response, layer, encode)


async def render_cutout(graph: Graph, job: LayerJob, output: OutputOptions) -> tuple[LayerResult, Picture]:
    """Paint a character without its backdrop.

    Raises CutoutFailed if the figure cannot be separated from the backdrop.
    """
    async with admitted(graph, job.deadline_at, job):
        response, layer = await paint(graph, job)
        cut_out = _merger_call(graph, "cut_out", job, output, response)
        return await _finished(graph, job, output, response, layer, cut_out)


async def render_sheet(
    graph: Graph, jobs: Sequence[LayerJob], names: Sequence[str]
) -> tuple[list[LayerResult], SheetResult]:
    """Paint the poses of a figure in parallel, and arrange them in one atlas."""
    first = jobs[0]
    async with admitted(graph, first.deadline_at, *jobs):
        painted = await all_or_none(paint(graph, job) for job in jobs)
        sheet = SheetJob(request_id=first.request_id, names=tuple(names), tenant=first.tenant)
        call = partial(graph.merger.sheet.remote, sheet, *(response for response, _ in painted))
        work = QueuedWork(first.tenant, 2 * sum(job.width_px * job.height_px for job in jobs) / MEGA)
        comparing = [with_consistency(graph, job, *each) for job, each in zip(jobs, painted, strict=True)]
        making = finish(graph, first.request_id, work, call)
        made, layers = await compared_meanwhile(making, comparing)
        count_picture()
        return layers, made


async def render_upload(graph: Graph, job: UploadJob, deadline_at: float) -> MergeResult:
    """Decode and merge two picture files in the merger's replicas."""
    async with Deadline(deadline_at):
        merge = partial(graph.merger.merge_files.remote, job)
        merged: MergeResult = await finish(graph, job.merge.request_id, work_in_transit(job), merge)
        count_picture()
        return merged


async def read_picture(graph: Graph, job: PictureJob, deadline_at: float) -> Picture:
    """Decode an uploaded picture file in the merger's replicas, and return it as a plain PNG."""
    async with Deadline(deadline_at):
        read = partial(graph.merger.read_picture.remote, job)
        picture: Picture = await finish(graph, job.request_id, read_on_the_way(job), read)
        return picture


async def _finished(
    graph: Graph,
    job: LayerJob,
    output: OutputOptions,
    response: Any,
    layer: LayerResult,
    call: Callable[[], Response],
) -> tuple[LayerResult, Picture]:
    """Return a single layer and its file. A figure is compared with its reference meanwhile."""
    finished = finish(graph, job.request_id, _alone(job, output), call)
    picture, (compared,) = await compared_meanwhile(finished, [with_consistency(graph, job, response, layer)])
    count_picture()
    return compared, picture


def _merger_call(
    graph: Graph, method: str, job: LayerJob, output: OutputOptions, response: Any
) -> Callable[[], Response]:
    """Return the call of the merger that writes a single layer as a file."""
    returned_px = upscaled_px(job.width_px * job.height_px, output)
    call = merger_call(graph.merger, method, [response], returned_px, graph.sends_values)
    return partial(call, output, response, job.tenant)


def _alone(job: LayerJob, output: OutputOptions) -> QueuedWork:
    """Return the work of writing a single layer's file."""
    return QueuedWork(job.tenant, upscaled_px(job.width_px * job.height_px, output) / MEGA)
