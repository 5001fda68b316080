"""render(): characters and background in parallel, then the merger; one deadline over all of it.

All branches are awaited together so that the first failure is seen at once and stops the others; their
responses, not their pixels, are passed on, so that pixels travel from replica to replica. A branch whose
replica died is painted again alone: the seed is fixed, so the picture is the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from ray.exceptions import ObjectLostError, RayActorError, TaskCancelledError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    ReplicaUnavailableError,
)
from ray.serve.handle import DeploymentHandle

from deployments.errors import DeadlineExceeded, GenerationFailed, InvalidRequest, NotReady, Overloaded
from deployments.merge_work import MEGA, read_on_the_way, upscaled_px, work_in_transit, written_px
from deployments.messages import (
    CompareJob,
    LayerEvent,
    LayerJob,
    LayerResult,
    MergeResult,
    OutputOptions,
    Picture,
    PictureJob,
    SheetJob,
    SheetResult,
    Unanswered,
    UploadJob,
)
from deployments.queueing.work_queue import QueuedWork, WorkQueue

from ..telemetry.logs import logger
from ..telemetry.scene_spans import branch, finishing, note_loss
from .admission_control import QUEUE_FULL, AdmissionControl
from .bill import billed, count_picture
from .replica_registry import NOWHERE, Replicas
from .scene_job import SceneJob
from .stream_reader import OnEvent, follow

Handle = DeploymentHandle[Any]
Result = TypeVar("Result")
Response = Any
"""Ray types what `remote` returns as a response or a stream of them, so that neither can be awaited."""

UNBOUNDED = 1 << 60
UNMEASURED = "its consistency could not be measured"
FREES_IN_S = 2.0
"""The wait for a place in a queue, where its speed is not known."""
MAX_LOSSES = 3
"""How often a branch may lose its replica before the request is given up."""
MAX_REFUSALS = 16
"""How many replicas may say that they are not ready: each is known to be so from then on."""
LOST = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError)
PIXELS_LOST = (ObjectLostError, RayServeException)
"""The layers' node died after they were painted: Serve reports a passed response in its general class."""


@dataclass(frozen=True)
class Graph:
    """Hold the handles of the deployments below the ingress, and the admission control before them.

    `merges`: how much of the merger's work this process may have under way. `replicas`: what this process
    knows of the replicas of a generator, by its name. `others`: the generators of the models that are not the
    first of their layer, by their names. `files`: those that the layers of one request start from, by name.
    `text_check` raises where a layer's words are refused. `previews`: whether unfinished pictures are shown.
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

    @property
    def generators(self) -> dict[str, Handle]:
        return {"character": self.character, "background": self.background, **self.others}

    def painter(self, job: LayerJob) -> Handle:
        """Return the generator that paints a job. Raises InvalidRequest where there is none any more."""
        painter = self.generators.get(job.generator)
        if painter is None:
            raise InvalidRequest(f"{job.model} no longer paints the {job.kind} here", f"{job.kind}.model")
        return painter


OnSceneEvent = Callable[[LayerEvent, int | None], None]
"""Called with the events of all layers, and with the index of a figure among several."""


@dataclass(frozen=True)
class SceneResult:
    """A painted scene: one `character`, or several `characters`. `created`: when, in seconds since 1970."""

    character: LayerResult | None
    background: LayerResult
    merged: MergeResult
    characters: tuple[LayerResult, ...] = ()
    created: float = field(default_factory=time.time, compare=False)

    @property
    def figures(self) -> tuple[LayerResult, ...]:
        """Return the characters, one or several."""
        return (self.character,) if self.character is not None else self.characters

    @property
    def layers(self) -> tuple[LayerResult, ...]:
        """Return all layers, the place last."""
        return (*self.figures, self.background)

    @property
    def named_layers(self) -> list[tuple[str, LayerResult]]:
        """Return each layer with its path in the request, such as `character` or `characters.0`."""
        names = [f"characters.{index}" for index in range(len(self.characters))] or ["character"]
        return [*zip(names, self.figures, strict=True), ("background", self.background)]

    @property
    def consistency(self) -> dict[str, float]:
        """Return how like their references the members of the cast are, by path, as far as it is known."""
        return {path: layer.consistency for path, layer in self.named_layers if layer.consistency is not None}


async def render(graph: Graph, job: SceneJob, on_event: OnSceneEvent | None = None) -> SceneResult:
    """Paint all layers in parallel, then merge them.

    `on_event` is called with places in the queue, with each step and with each layer.

    Raises what deployments.errors draws.
    """
    async with _admitted(graph, job.deadline_at, *job.layers):
        for _ in range(MAX_LOSSES):
            painted = await all_or_none(
                _paint(graph, layer, _of_layer(layer, on_event)) for layer in job.layers
            )
            *figures, (place, background) = painted
            merge = _merging(graph, job, [response for response, _ in figures], place)
            later = job.merge.priority == "batch"
            work = QueuedWork(job.merge.tenant, scene_megapixels(job), later=later)
            pairs = zip(job.figures, figures, strict=True)
            comparing = [_with_consistency(graph, layer, *figure) for layer, figure in pairs]
            try:
                merging = _finish(graph, job.merge.request_id, work, merge)
                merged, characters = await _compared_meanwhile(merging, comparing)
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
    if job.character is not None:
        return partial(graph.merger.merge.remote, job.merge, *figures, place)
    return partial(graph.merger.merge_group.remote, job.merge, place, *figures)


async def render_layer(
    graph: Graph, job: LayerJob, output: OutputOptions, on_event: OnEvent | None = None
) -> tuple[LayerResult, Picture]:
    """Paint one layer alone, encoded by the merger's replicas so that the edge never touches pixels."""
    async with _admitted(graph, job.deadline_at, job):
        response, layer = await _paint(graph, job, on_event)
        encode = partial(graph.merger.encode.remote, output, response, job.tenant)
        return await _finished(graph, job, output, response, layer, encode)


async def render_cutout(graph: Graph, job: LayerJob, output: OutputOptions) -> tuple[LayerResult, Picture]:
    """Paint a character without its backdrop.

    Raises CutoutFailed where the figure cannot be separated from it.
    """
    async with _admitted(graph, job.deadline_at, job):
        response, layer = await _paint(graph, job)
        cut_out = partial(graph.merger.cut_out.remote, output, response, job.tenant)
        return await _finished(graph, job, output, response, layer, cut_out)


async def render_sheet(
    graph: Graph, jobs: Sequence[LayerJob], names: Sequence[str]
) -> tuple[list[LayerResult], SheetResult]:
    """Paint the poses of a figure in parallel, and set them into one atlas."""
    first = jobs[0]
    async with _admitted(graph, first.deadline_at, *jobs):
        painted = await all_or_none(_paint(graph, job) for job in jobs)
        sheet = SheetJob(request_id=first.request_id, names=tuple(names), tenant=first.tenant)
        call = partial(graph.merger.sheet.remote, sheet, *(response for response, _ in painted))
        work = QueuedWork(first.tenant, 2 * sum(job.width_px * job.height_px for job in jobs) / MEGA)
        comparing = [_with_consistency(graph, job, *each) for job, each in zip(jobs, painted, strict=True)]
        making = _finish(graph, first.request_id, work, call)
        made, layers = await _compared_meanwhile(making, comparing)
        count_picture()
        return layers, made


async def render_upload(graph: Graph, job: UploadJob, deadline_at: float) -> MergeResult:
    """Merge two picture files, decoding included, in the merger's replicas."""
    async with _Deadline(deadline_at):
        merge = partial(graph.merger.merge_files.remote, job)
        merged: MergeResult = await _finish(graph, job.merge.request_id, work_in_transit(job), merge)
        count_picture()
        return merged


async def read_picture(graph: Graph, job: PictureJob, deadline_at: float) -> Picture:
    """Read a picture file from elsewhere in the merger's replicas, and get it back as a plain PNG."""
    async with _Deadline(deadline_at):
        read = partial(graph.merger.read_picture.remote, job)
        picture: Picture = await _finish(graph, job.request_id, read_on_the_way(job), read)
        return picture


def unanswered(graph: Graph) -> list[Unanswered]:
    """Return what the replicas report of layers that ended without an answer lately."""
    groups = [replicas for name in graph.generators if (replicas := graph.replicas(name)) is not None]
    reports = [stats for replicas in groups for stats in replicas.routing_stats() if stats is not None]
    return [entry for stats in reports for entry in stats.unanswered]


def scene_megapixels(job: SceneJob) -> float:
    """Return what the pictures of a scene's merge are in all."""
    *figures_px, place_px = (layer.width_px * layer.height_px for layer in job.layers)
    return written_px(job.merge, figures_px, place_px) / MEGA


async def _finished(
    graph: Graph,
    job: LayerJob,
    output: OutputOptions,
    response: Any,
    layer: LayerResult,
    call: Callable[[], Response],
) -> tuple[LayerResult, Picture]:
    """Return a layer alone and its file, the figure compared with its reference meanwhile."""
    finished = _finish(graph, job.request_id, _alone(job, output), call)
    picture, (compared,) = await _compared_meanwhile(
        finished, [_with_consistency(graph, job, response, layer)]
    )
    count_picture()
    return compared, picture


async def _compared_meanwhile(
    finishing_call: Coroutine[Any, Any, Any], comparing: Iterable[Coroutine[Any, Any, LayerResult]]
) -> tuple[Any, list[LayerResult]]:
    """Return what the merger made, and the layers, which were compared with their references meanwhile."""
    work: list[Coroutine[Any, Any, Any]] = [finishing_call, *comparing]
    made, *layers = await all_or_none(work)
    return made, layers


async def _with_consistency(graph: Graph, job: LayerJob, response: Any, layer: LayerResult) -> LayerResult:
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
        consistency: float = await _finish(graph, job.request_id, work, call)
    except Exception:
        logger.exception("the consistency of %s in request %s was not measured", job.path, job.request_id)
        return replace(layer, warnings=(*layer.warnings, UNMEASURED))
    return replace(layer, consistency=round(consistency, 4))


def _alone(job: LayerJob, output: OutputOptions) -> QueuedWork:
    """Return the work of a layer's own file."""
    return QueuedWork(job.tenant, upscaled_px(job.width_px * job.height_px, output) / MEGA)


async def _paint(graph: Graph, job: LayerJob, on_event: OnEvent | None = None) -> tuple[Any, LayerResult]:
    """Return the layer's object ref, to pass to a further call, and the layer."""
    if job.previews and not graph.previews:
        job = replace(job, previews=0)
    painter, frees_in_s = graph.painter(job), partial(graph.admission.place_frees_in_s, job)
    elsewhere = partial(_another_is_ready, graph, job)
    # Beside the job: what is compared, counted and kept of it needs no bytes.
    files = ({name: graph.files[name] for name in job.files},) if job.files else ()
    with branch(job) as painted, billed(job) as taken:
        if on_event is None:
            call = partial(painter.paint.remote, job, *files)
            ref, layer = await _kept(call, _whole, frees_in_s, elsewhere)
        else:
            stream = partial(painter.options(stream=True).stream.remote, job, *files)
            ref, layer = await _kept(stream, partial(follow, on_event=on_event), frees_in_s, elsewhere)
        painted(layer)
        taken(layer)
        return ref, replace(layer, cast=job.cast, cast_version=job.cast_version) if job.cast else layer


async def _finish(graph: Graph, request_id: str, work: QueuedWork, call: Callable[[], Response]) -> Any:
    """Return the result of a call of the merger's replicas, made when its turn has come."""
    with finishing(request_id) as made:
        async with graph.merges.slot(work):
            _, result = await _kept(call)
        made(result)
        return result


async def _whole(response: Response) -> tuple[Response, Any]:
    return response, await response


async def _kept(
    call: Callable[[], Response],
    receive: Callable[[Response], Awaitable[tuple[Any, Any]]] = _whole,
    frees_in_s: Callable[[], float | None] = lambda: None,
    elsewhere: Callable[[], bool] = lambda: False,
) -> tuple[Any, Any]:
    """Call, and call again where the replica was lost under it, or is not ready while another may be.

    Cancelling this cancels the call.
    """
    losses = refusals = 0
    while True:
        response = call()
        try:
            return await receive(response)
        except NotReady:
            refusals += 1
            if refusals == MAX_REFUSALS or not elsewhere():
                raise
        except BackPressureError as error:
            raise Overloaded(QUEUE_FULL, retry_after_s=frees_in_s() or FREES_IN_S) from error
        except LOST as error:
            losses += 1
            note_loss(losses)
            if losses == MAX_LOSSES:
                raise GenerationFailed(
                    "the replicas painting this request were lost, again and again"
                ) from error
        except (asyncio.CancelledError, TaskCancelledError) as error:
            response.cancel()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # In local testing mode the class is Ray's own, which asyncio.timeout takes for a failure.
                raise asyncio.CancelledError from error
            raise


def _another_is_ready(graph: Graph, job: LayerJob) -> bool:
    """Return whether another replica is ready, after the job's own has said that it is not."""
    replicas = graph.replicas(job.generator)
    return replicas is not None and replicas.refused(job)


@asynccontextmanager
async def _admitted(graph: Graph, deadline_at: float, *jobs: LayerJob) -> AsyncIterator[None]:
    """Check the words of these jobs, hold their admission, and give up at the deadline."""
    if graph.text_check is not None:
        async with _Deadline(deadline_at):
            # A layer alone has its prompt at the top of its request.
            whole = len(jobs) > 1
            params = [job.param_of("prompt") if whole or job.param is not None else "prompt" for job in jobs]
            await all_or_none(map(graph.text_check, jobs, params))
    with graph.admission.admit(*jobs):
        async with _Deadline(deadline_at):
            yield


async def all_or_none(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return all results, or raise the first failure with the rest cancelled and gone."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class _Deadline:
    """asyncio.timeout_at for a time of the monotonic clock, raising the contract's error."""

    def __init__(self, deadline_at: float) -> None:
        self._timeout = asyncio.timeout(max(0.0, deadline_at - time.monotonic()))

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self._timeout.__aexit__(*raised)
        except TimeoutError as error:
            raise DeadlineExceeded("the picture was not done within deadline_s") from error
