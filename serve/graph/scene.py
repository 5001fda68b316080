"""Render a scene: characters and background in parallel, then the merger, all under one deadline.

All branches are awaited together, so that the first failure is seen at once and stops the others. Their
responses are passed on instead of their pixels, so that pixels travel from replica to replica. Only small
pictures are passed by value (serve/graph/replica_calls.py).
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
"""Raised if the layers' node died after painting. Serve uses its base class if a passed response is lost."""


@dataclass(frozen=True)
class Graph:
    """The handles of the deployments below the ingress, and the admission control before them.

    `merges` limits the merger's work that this process may have under way. `replicas` returns what this
    process knows of a generator's replicas, by the generator's name. `others`: the generators, by name, of
    each layer's models after its first. `files`: the files, by name, that the layers of one request start
    from. `text_check` raises if a layer's prompt is refused. `previews`: whether unfinished pictures are
    shown. `sends_values`: whether small pictures go over gRPC, by default as the environment says.
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
        """Return the generator that paints a job. Raises InvalidRequest if there is none any more."""
        painter = self.generators.get(job.generator)
        if painter is None:
            raise InvalidRequest(
                f"the model {job.model} is no longer available here for the {job.kind}", f"{job.kind}.model"
            )
        return painter

    def with_files(self, files: Mapping[str, bytes]) -> Graph:
        """Return the graph for one request, whose layers start from these files."""
        return replace(self, files=files) if files else self


OnSceneEvent = Callable[[LayerEvent, int | None], None]
"""Called with each event of every layer, and the figure's index if there are several figures."""


async def render(graph: Graph, job: SceneJob, on_event: OnSceneEvent | None = None) -> SceneResult:
    """Paint all layers in parallel, then merge them.

    `on_event` is called with queue positions, each step and each layer.

    Raises the errors of deployments.errors.
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
        raise GenerationFailed("the painted layers were repeatedly lost before they could be merged")


def _of_layer(job: LayerJob, on_event: OnSceneEvent | None) -> OnEvent | None:
    return None if on_event is None else lambda item: on_event(item, job.figure)


def _merging(graph: Graph, job: SceneJob, figures: list[Any], place: Any) -> Callable[[], Response]:
    """Return the call of the merger. Each response is a separate argument: Serve resolves no others."""
    method = "merge" if job.character is not None else "merge_group"
    returned_px, layers = scene_megapixels(job) * MEGA, (*figures, place)
    merge = merger_call(graph.merger, method, layers, returned_px, graph.sends_values)
    return partial(merge, job.merge, *(layers if job.character is not None else (place, *figures)))


def unanswered(graph: Graph) -> list[Unanswered]:
    """Return the replicas' reports of layers that recently ended without a response."""
    groups = [replicas for name in graph.generators if (replicas := graph.replicas(name)) is not None]
    reports = [stats for replicas in groups for stats in replicas.routing_stats() if stats is not None]
    return [entry for stats in reports for entry in stats.unanswered]


def scene_megapixels(job: SceneJob) -> float:
    """Return the megapixels of all pictures that a scene's merge writes."""
    *figures_px, place_px = (layer.width_px * layer.height_px for layer in job.layers)
    return written_px(job.merge, figures_px, place_px) / MEGA


async def compared_meanwhile(
    finishing_call: Coroutine[Any, Any, Any], comparing: Iterable[Coroutine[Any, Any, LayerResult]]
) -> tuple[Any, list[LayerResult]]:
    """Return the merger's result and the layers, which are compared with their references meanwhile."""
    work: list[Coroutine[Any, Any, Any]] = [finishing_call, *comparing]
    made, *layers = await all_or_none(work)
    return made, layers


async def with_consistency(graph: Graph, job: LayerJob, response: Any, layer: LayerResult) -> LayerResult:
    """Return a figure with its consistency, if it shows a member of the cast that has a reference.

    If the measurement fails, the painted figure is kept, without its consistency and with a warning.
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
        logger.exception(
            "the consistency of %s in request %s could not be measured", job.path, job.request_id
        )
        return replace(layer, warnings=(*layer.warnings, UNMEASURED))
    return replace(layer, consistency=round(consistency, 4))


async def paint(graph: Graph, job: LayerJob, on_event: OnEvent | None = None) -> tuple[Any, LayerResult]:
    """Paint a layer. Return its response, or the layer itself, to pass to a further call, and the layer."""
    if job.previews and not graph.previews:
        job = replace(job, previews=0)
    painter, frees_in_s = graph.painter(job), partial(graph.admission.place_frees_in_s, job)
    elsewhere = partial(_another_is_ready, graph, job)
    # Files are passed beside the job, which can then be compared, counted and kept without their bytes.
    files = ({name: graph.files[name] for name in job.files},) if job.files else ()
    call, receive = layer_call(painter, job, files, on_event, graph.sends_values)
    with branch(job) as painted, billed(job) as taken:
        ref, layer = await call_until_kept(call, receive, frees_in_s, elsewhere)
        painted(layer)
        taken(layer)
        return ref, replace(layer, cast=job.cast, cast_version=job.cast_version) if job.cast else layer


async def finish(graph: Graph, request_id: str, work: QueuedWork, call: Callable[[], Response]) -> Any:
    """Wait for a turn, call the merger's replicas, and return the result."""
    with finishing(request_id) as made:
        async with graph.merges.slot(work):
            _, result = await call_until_kept(call)
        made(result)
        return result


def _another_is_ready(graph: Graph, job: LayerJob) -> bool:
    """Record that the job's replica is not ready. Return whether another may be."""
    replicas = graph.replicas(job.generator)
    return replicas is not None and replicas.refused(job)


@asynccontextmanager
async def admitted(graph: Graph, deadline_at: float, *jobs: LayerJob) -> AsyncIterator[None]:
    """Check the prompts of these jobs, admit them for the block, and give up at the deadline."""
    if graph.text_check is not None:
        async with Deadline(deadline_at):
            # A request for a single layer has its prompt at the top level.
            whole = len(jobs) > 1
            params = [job.param_of("prompt") if whole or job.param is not None else "prompt" for job in jobs]
            await all_or_none(map(graph.text_check, jobs, params))
    with graph.admission.admit(*jobs):
        async with Deadline(deadline_at):
            yield
