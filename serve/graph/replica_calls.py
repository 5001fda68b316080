"""Call replicas: retry if one is lost or not ready, get all of several results or none, keep a deadline.

If a branch's replica dies, only that branch is painted again. Its seed is fixed, so the picture is the same.

By default a Ray Serve call is a Ray task. Its result is an object whose reference is passed on, so that a
large picture goes from replica to replica in shared memory. Over gRPC a call costs less than half as much,
its picture aside, and copying a small picture costs less than the object ("What does HTTP cost?" in
docs/performance.md). So small pictures are passed by value.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

from grpc import StatusCode
from grpc.aio import AioRpcError
from ray.exceptions import RayActorError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

from deployments.errors import DeadlineExceeded, GenerationFailed, NotReady, Overloaded
from deployments.messages import LayerJob, LayerResult

from ..telemetry.logs import logger
from ..telemetry.scene_spans import note_loss
from .admission_control import QUEUE_FULL
from .stream_reader import OnEvent, follow

Result = TypeVar("Result")
Response = Any
"""Ray types the result of `remote` as a response or a stream, so a type checker lets neither be awaited."""
Handle = DeploymentHandle[Any]
Call = Callable[..., Response]
Receive = Callable[[Response], Awaitable[tuple[Any, LayerResult]]]
"""Returns the layer's response, or the layer itself, to pass to a further call, and then the layer."""
FREES_IN_S = 2.0
"""The assumed wait for a place in a queue whose speed is not known."""
MAX_LOSSES = 3
"""How often a branch may lose its replica before the request is given up."""
MAX_REFUSALS = 16
"""How many replicas may respond that they are not ready. The router then avoids each of them."""
LOST = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError)
BROKEN = (StatusCode.UNAVAILABLE, StatusCode.CANCELLED, StatusCode.INTERNAL)
"""A connection that breaks counts as a lost replica too: the caller cannot tell them apart."""
GRPC_SWITCH = "RAY_SERVE_PROXY_USE_GRPC"
"""Ray's own setting that makes its proxies call the edge over gRPC, at a port that Ray chooses."""
GRPC_SETTINGS = {GRPC_SWITCH: "1", "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2**31 - 1)}
"""The proxy too gets responses over gRPC, and one with its layers exceeds Ray's own limit of 4 MB."""
SMALL_BYTES = 256 << 10
"""At 0.2 MB, passing a picture by value costs half as much as by reference, and at 0.6 MB it costs more."""
RETURNED_BYTES = 3 << 20
"""The most that the merger returns by value: less than Ray's default limit."""
BYTES_A_PX = 4


def grpc_is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the processes of this Ray call each other over gRPC."""
    return environment.get(GRPC_SWITCH) == "1"


def layer_call(
    painter: Handle, job: LayerJob, files: Iterable[Any], on_event: OnEvent | None, sends_values: bool
) -> tuple[Call, Receive]:
    """Return the call that paints a layer, and the function that receives its response.

    `files`: the arguments after the job. With `on_event`, which gets each event, the call is a stream.
    """
    small = sends_values and not job.files and job.width_px * job.height_px * 3 <= SMALL_BYTES
    if on_event is not None:
        stream = _over_grpc(painter, "stream").remote if small else painter.options(stream=True).stream.remote
        return partial(stream, job, *files), partial(follow, on_event=on_event)
    if small:
        # Use a stream: a single response over gRPC does not show until its end that the replica accepted.
        return partial(_over_grpc(painter, "painted").remote, job, *files), only_item
    return partial(painter.paint.remote, job, *files), whole


def merger_call(
    merger: Handle, method: str, layers: Iterable[Any], returned_px: float, sends_values: bool
) -> Call:
    """Return the call of a merger's method that suits these layers, each a response or a value.

    `returned_px`: the pixels of all pictures that it returns.
    """
    values = sends_values and all(isinstance(layer, LayerResult) for layer in layers)
    if values and returned_px * BYTES_A_PX <= RETURNED_BYTES:
        return _over_grpc(merger, method, stream=False).remote
    call: Call = getattr(merger, method).remote
    return call


async def whole(response: Response) -> tuple[Response, Any]:
    return response, await response


async def only_item(response: Response) -> tuple[LayerResult, LayerResult]:
    """Return the layer of a stream that has no other items. Raises GenerationFailed if it is empty."""
    layers = [layer async for layer in response]
    if not layers:
        raise GenerationFailed("the layer ended without a picture")
    return layers[0], layers[0]


@lru_cache(maxsize=256)
def _over_grpc(handle: Handle, method: str, stream: bool = True) -> Handle:
    """Return the cached handle of one method: Serve would otherwise make two new ones for each call."""
    return handle.options(method_name=method, stream=stream, _by_reference=False)


async def call_until_kept(
    call: Callable[[], Response],
    receive: Callable[[Response], Awaitable[tuple[Any, Any]]] = whole,
    frees_in_s: Callable[[], float | None] = lambda: None,
    elsewhere: Callable[[], bool] = lambda: False,
) -> tuple[Any, Any]:
    """Call a replica, and call again if it is lost, or if it is not ready while another may be.

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
        except (*LOST, AioRpcError) as error:
            _check_connection_broke(error)
            losses += 1
            note_loss(losses)
            if losses == MAX_LOSSES:
                raise GenerationFailed("the replicas painting this request were lost repeatedly") from error
        except (asyncio.CancelledError, TaskCancelledError) as error:
            response.cancel()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # In local testing mode Ray raises its own class, which asyncio.timeout treats as a failure.
                raise asyncio.CancelledError from error
            raise


def _check_connection_broke(error: Exception) -> None:
    """Raise GenerationFailed if gRPC cannot send a response.

    A retry would not help if the response is too large or cannot be pickled. The details are not logged: an
    error's text may contain a prompt.
    """
    if isinstance(error, AioRpcError) and error.code() not in BROKEN:
        logger.error("a replica's response could not be sent: gRPC reports %s", error.code().name)
        raise GenerationFailed("a replica's response could not be sent") from error


async def all_or_none(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return all results, or raise the first failure after the rest have been cancelled and have ended."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class Deadline:
    """Like asyncio.timeout_at, but takes a time of the monotonic clock and raises DeadlineExceeded."""

    def __init__(self, deadline_at: float) -> None:
        self._timeout = asyncio.timeout(max(0.0, deadline_at - time.monotonic()))

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self._timeout.__aexit__(*raised)
        except TimeoutError as error:
            raise DeadlineExceeded("the picture was not finished within deadline_s") from error
