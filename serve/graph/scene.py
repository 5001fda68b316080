"""Render a scene: characters and background in parallel, then the merger; one deadline over all of it.

All branches are awaited together so that the first failure is seen at once and stops the others; their
responses, not their pixels, are passed on, so that pixels travel from replica to replica. Small pictures
alone are passed on as they are (serve/graph/replica_calls.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ray.exceptions import ObjectLostError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.errors import GenerationFailed, InvalidRequest
from deployments.merge_work import MEGA, written_px
from deployments.messages import CompareJob, LayerEvent, LayerJob, LayerResult, Unanswered
from deployments.queueing.work_queue import QueuedWork, WorkQueue

from ..telemetry.logs import logger
from ..telemetry.scene_spans import branch, finishing
from .admission_control import AdmissionControl
from .bill import billed, count_picture
from .replica_calls import (
    MAX_LOSSES,
    Deadline,
    Response,
    all_or_none,
    call_until_kept,
    grpc_is_on,
    layer_call,
    merger_call,
)
from .replica_registry import NOWHERE, Replicas
from .scene_job import SceneJob, SceneResult
from .stream_reader import OnEvent

Handle = DeploymentHandle[Any]

UNBOUNDED = 1 << 60
UNMEASURED = "its consistency could not be measured"
PIXELS_LOST = (ObjectLostError, RayServeException)
"""The layers' node died after they were painted: Serve reports a passed response in its general class."""


@dataclass(frozen=True)
class Graph:
    """Hold the handles of the deployments below the ingress, and the admission control before them.

    `merges`: how much of the merger's work this process may have under way. `replicas`: what this process
    knows of the replicas of a generator, by its name. `others`: the generators of the models that are not the
    first of their layer, by their names. `files`: those that the layers of one request start from, by name.
    `text_check` raises where a layer's words are refused. `previews`: whether unfinished pictures are shown.
    `sends_values`: whether small pictures go over gRPC; as this process's environment says.
    """

    character: Handle
    background: Handle
    merger: Handle
    admission: AdmissionControl = field(default_factory=AdmissionControl)
    merges: WorkQueue = field(default_factory=lambda: WorkQueue(UNBOUNDED, UNBOUNDED))
    replicas: Callable[[str], Replicas | None] = NOWHERE.get
    others: Mapping[str, Handle] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    text_check: Callable[[LayerJob, str], Coroutine[Any, Any, None]] | None = None
    previews: bool = True
    sends_values: bool = field(default_factory=grpc_is_on)

    @property
    def generators(self) -> dict[str, Handle]:
        return {"character": self.character, "background": self.background, **self.others}

    def painter(self, job: LayerJob) -> Handle:
        """Return the generator that paints a job. Raises InvalidRequest where there is none any more."""
        painter = self.generators.get(job.generator)
        if painter is None:
            raise InvalidRequest(f"{job.model} no longer paints the {job.kind} here", f"{job.kind}.model")
        return painter

    def with_files(self, files: Mapping[str, bytes]) -> Graph:
        """Return the graph for one request, whose layers start from these files."""
        return replace(self, files=files) if files else self


OnSceneEvent = Callable[[LayerEvent, int | None], None]
"""Called with the events of all layers, and with the index of a figure among several."""


async def render(graph: Graph, job: SceneJob, on_event: OnSceneEvent | None = None) -> SceneResult:
    """Paint all layers in parallel, then merge them.

    `on_event` is called with places in the queue, with each step and with each layer.

    Raises what deployments.errors draws.
    """
    async with admitted(graph, job.deadline_at, *job.layers):
        for _ in range(MAX_LOSSES):
            painted = await all_or_none(
                paint(graph, layer, _of_layer(layer, on_event)) for layer in job.layers
            )
            *figures, (place, background) = painted
            merge = _merging(graph, job, [response for response, _ in figures], place)
            later = job.merge.priority == "batch"
            work = QueuedWork(job.merge.tenant, scene_megapixels(job), later=later)
            pairs = zip(job.figures, figures, strict=True)
            comparing = [with_consistency(graph, layer, *figure) for layer, figure in pairs]
            try:
                merging = finish(graph, job.merge.request_id, work, merge)
                merged, characters = await compared_meanwhile(merging, comparing)
            except PIXELS_LOST:
                continue
            count_picture()
            if job.character is not None:
                return SceneResult(characters[0], background, merged)
            return SceneResult(None, background, merged, tuple(characters))
        raise GenerationFailed("the painted layers were lost before they could be merged, again and again")


def _of_layer(job: LayerJob, on_event: OnSceneEvent | None) -> OnEvent | None:
    return None if on_event is None else lambda item: on_event(item, job.figure)


def _merging(graph: Graph, job: SceneJob, figures: list[Any], place: Any) -> Callable[[], Response]:
    """Return the call of the merger. Every response is an argument of its own: Serve resolves no others."""
    method = "merge" if job.character is not None else "merge_group"
    answer_px, layers = scene_megapixels(job) * MEGA, (*figures, place)
    merge = merger_call(graph.merger, method, layers, answer_px, graph.sends_values)
    return partial(merge, job.merge, *(layers if job.character is not None else (place, *figures)))


def unanswered(graph: Graph) -> list[Unanswered]:
    """Return what the replicas report of layers that ended without an answer lately."""
    groups = [replicas for name in graph.generators if (replicas := graph.replicas(name)) is not None]
    reports = [stats for replicas in groups for stats in replicas.routing_stats() if stats is not None]
    return [entry for stats in reports for entry in stats.unanswered]


def scene_megapixels(job: SceneJob) -> float:
    """Return what the pictures of a scene's merge are in all."""
    *figures_px, place_px = (layer.width_px * layer.height_px for layer in job.layers)
    return written_px(job.merge, figures_px, place_px) / MEGA


async def compared_meanwhile(
    finishing_call: Coroutine[Any, Any, Any], comparing: Iterable[Coroutine[Any, Any, LayerResult]]
) -> tuple[Any, list[LayerResult]]:
    """Return what the merger made, and the layers, which were compared with their references meanwhile."""
    work: list[Coroutine[Any, Any, Any]] = [finishing_call, *comparing]
    made, *layers = await all_or_none(work)
    return made, layers


async def with_consistency(graph: Graph, job: LayerJob, response: Any, layer: LayerResult) -> LayerResult:
    """Return a figure with its consistency, where it shows a member of the cast that has a reference.

    What was painted is not lost for a measure of it: where that fails there is none, and a warning says so.
    """
    reference = graph.files.get(job.reference or "")
    if job.reference is None or reference is None:
        return layer
    compare = CompareJob(
        name=job.reference,
        reference=reference,
        max_pixels=UNBOUNDED,
        tenant=job.tenant,
        priority=job.priority,
    )
    work = QueuedWork(job.tenant, job.width_px * job.height_px / MEGA, later=job.priority == "batch")
    try:
        call = partial(graph.merger.compare.remote, compare, response)
        consistency: float = await finish(graph, job.request_id, work, call)
    except Exception:
        logger.exception("the consistency of %s in request %s was not measured", job.path, job.request_id)
        return replace(layer, warnings=(*layer.warnings, UNMEASURED))
    return replace(layer, consistency=round(consistency, 4))


async def paint(graph: Graph, job: LayerJob, on_event: OnEvent | None = None) -> tuple[Any, LayerResult]:
    """Return the layer's response, or the layer once more, to pass to a further call, and the layer."""
    if job.previews and not graph.previews:
        job = replace(job, previews=0)
    painter, frees_in_s = graph.painter(job), partial(graph.admission.place_frees_in_s, job)
    elsewhere = partial(_another_is_ready, graph, job)
    # Beside the job: what is compared, counted and kept of it needs no bytes.
    files = ({name: graph.files[name] for name in job.files},) if job.files else ()
    call, receive = layer_call(painter, job, files, on_event, graph.sends_values)
    with branch(job) as painted, billed(job) as taken:
        ref, layer = await call_until_kept(call, receive, frees_in_s, elsewhere)
        painted(layer)
        taken(layer)
        return ref, replace(layer, cast=job.cast, cast_version=job.cast_version) if job.cast else layer


async def finish(graph: Graph, request_id: str, work: QueuedWork, call: Callable[[], Response]) -> Any:
    """Return the result of a call of the merger's replicas, made when its turn has come."""
    with finishing(request_id) as made:
        async with graph.merges.slot(work):
            _, result = await call_until_kept(call)
        made(result)
        return result


def _another_is_ready(graph: Graph, job: LayerJob) -> bool:
    """Return whether another replica is ready, after the job's own has said that it is not."""
    replicas = graph.replicas(job.generator)
    return replicas is not None and replicas.refused(job)


@asynccontextmanager
async def admitted(graph: Graph, deadline_at: float, *jobs: LayerJob) -> AsyncIterator[None]:
    """Check the words of these jobs, hold their admission, and give up at the deadline."""
    if graph.text_check is not None:
        async with Deadline(deadline_at):
            # A layer alone has its prompt at the top of its request.
            whole = len(jobs) > 1
            params = [job.param_of("prompt") if whole or job.param is not None else "prompt" for job in jobs]
            await all_or_none(map(graph.text_check, jobs, params))
    with graph.admission.admit(*jobs):
        async with Deadline(deadline_at):
            yield
