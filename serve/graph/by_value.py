"""Choose how replicas are called: by Ray's objects, or by value over gRPC where pictures are small.

Ray Serve's usual call is a task of Ray's. Its result is an object whose reference is passed on, so that a
large picture goes from replica to replica as it lies in shared memory. Over gRPC a call costs less than half,
and each copy of a small picture less than the object (docs/performance.md, "The edge").
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.errors import GenerationFailed
from deployments.messages import LayerJob, LayerResult

from .replica_calls import Response, whole
from .stream_reader import OnEvent, follow

Handle = DeploymentHandle[Any]
Call = Callable[..., Response]
Receive = Callable[[Response], Awaitable[tuple[Any, LayerResult]]]
"""Returns the layer's response, or the layer once more, to pass to a further call, and the layer."""
SWITCH = "RAY_SERVE_PROXY_USE_GRPC"
"""Ray's own setting, by which its proxies call the edge over gRPC, at a port that Ray chooses."""
SETTINGS = {SWITCH: "1", "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2**31 - 1)}
"""An answer with its layers, which the proxy gets over gRPC too, is larger than Ray's own limit of 4 MB."""
SMALL_BYTES = 640 << 10
"""At 0.6 MB a picture costs the same by either way."""
ANSWER_BYTES = 3 << 20
"""The most that a merger answers by value: less than Ray's limit, where nobody has raised it."""
BYTES_A_PX = 4


def is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the processes of this Ray call each other over gRPC."""
    return environment.get(SWITCH) == "1"


def layer_call(
    painter: Handle, job: LayerJob, files: Iterable[Any], on_event: OnEvent | None, sends_values: bool
) -> tuple[Call, Receive]:
    """Return the call that paints a layer, and what receives its answer.

    `files`: the arguments beside the job. `on_event` is called with each event, and makes it a stream.
    """
    small = sends_values and not job.files and job.width_px * job.height_px * 3 <= SMALL_BYTES
    if on_event is not None:
        stream = _over_grpc(painter, "stream").remote if small else painter.options(stream=True).stream.remote
        return partial(stream, job, *files), partial(follow, on_event=on_event)
    if small:
        # A stream, since a single answer over gRPC does not say before its end that the replica has accepted.
        return partial(_over_grpc(painter, "painted").remote, job, *files), only_item
    return partial(painter.paint.remote, job, *files), whole


def merger_call(
    merger: Handle, method: str, layers: Iterable[Any], answer_px: float, sends_values: bool
) -> Call:
    """Return a method of the merger, to be called with these layers, each a response or a value.

    `answer_px`: the pixels of all pictures in its answer.
    """
    values = sends_values and all(isinstance(layer, LayerResult) for layer in layers)
    if values and answer_px * BYTES_A_PX <= ANSWER_BYTES:
        return _over_grpc(merger, method, stream=False).remote
    call: Call = getattr(merger, method).remote
    return call


async def only_item(response: Response) -> tuple[LayerResult, LayerResult]:
    """Return the layer of a stream that has nothing else. Raises GenerationFailed where it has none."""
    layers = [layer async for layer in response]
    if not layers:
        raise GenerationFailed("the layer ended without a picture")
    return layers[0], layers[0]


@lru_cache(maxsize=256)
def _over_grpc(handle: Handle, method: str, stream: bool = True) -> Handle:
    """Return the handle of one method, kept: Serve makes two new ones for each call otherwise."""
    return handle.options(method_name=method, stream=stream, _by_reference=False)
