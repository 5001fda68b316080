from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from deployments.errors import GenerationFailed
from deployments.messages import LayerKind, LayerResult, LayerTimings, OutputOptions, StepEvent
from serve.graph.other_renders import render_layer
from serve.graph.replica_calls import GRPC_SETTINGS, grpc_is_on
from serve.graph.scene import Graph, render
from serve.graph.scene_job import SceneJob
from tests.support.fake_handles import Handle, Method
from tests.support.local_service import captured

LARGE = {"width_px": 384, "height_px": 512}
"""The smallest size in docs/performance.md that costs more by value than as an object."""


def painted(kind: LayerKind) -> LayerResult:
    return LayerResult(kind, np.zeros((1, 1, 3), np.uint8), 1, "m", "simulated", LayerTimings(0, 0, 0, 0))


class Items:
    """A streaming call over gRPC, which has no object references."""

    by_reference = False

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            yield item

    def cancel(self) -> None:
        self.cancelled = True


class OverGrpc(Method):
    """A method that is called over gRPC: each outcome is the items of a stream."""

    def remote(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        return Items(*(self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]))


class Both(Handle):
    """A handle that makes calls over gRPC or by reference."""

    def __init__(self, over_grpc: dict[str, Method], **methods: Method) -> None:
        super().__init__(**methods)
        self.over_grpc = over_grpc

    def options(self, *, method_name: str, stream: bool, _by_reference: bool) -> Method:
        method = self.over_grpc[method_name]
        assert not _by_reference
        assert stream == isinstance(method, OverGrpc)
        return method


class Replicas:
    def __init__(self, *outcomes: Any) -> None:
        self.small: dict[LayerKind, OverGrpc] = {
            "character": OverGrpc(*outcomes or ((painted("character"),),)),
            "background": OverGrpc((painted("background"),)),
        }
        self.large: dict[LayerKind, Method] = {kind: Method(painted(kind)) for kind in self.small}
        self.by_value = {name: Method("M") for name in ("merge", "merge_group", "encode")}
        self.by_reference = {name: Method("M") for name in self.by_value}
        painters = [
            Both(dict.fromkeys(("painted", "stream"), self.small[kind]), paint=self.large[kind])
            for kind in self.small
        ]
        merger = Both(self.by_value, **self.by_reference)
        self.graph: Any = Graph(*painters, merger, sends_values=True)  # type: ignore[arg-type]


def sized(job: SceneJob, **changes: Any) -> SceneJob:
    return job.with_layers(**({"width_px": 256, "height_px": 256} | changes))


async def test_small_layers_and_their_merge_go_by_value(job: SceneJob) -> None:
    replicas, scene = Replicas(), sized(job)
    result = await render(replicas.graph, scene)
    assert [method.calls for method in replicas.small.values()] == [
        [(scene.character,)],
        [(scene.background,)],
    ]
    assert replicas.by_value["merge"].calls == [(scene.merge, result.character, result.background)]
    assert not any(method.calls for method in (*replicas.large.values(), *replicas.by_reference.values()))


async def test_their_events_do_too(job: SceneJob) -> None:
    replicas, events = Replicas(), list[Any]()
    for kind, method in replicas.small.items():
        method.outcomes = [(StepEvent(kind, 1, 1), painted(kind))]
    result = await render(replicas.graph, sized(job), lambda event, _: events.append(event))
    assert [event for event in events if isinstance(event, LayerResult)] == [*result.layers]
    assert len(events) == 4
    assert len(replicas.by_value["merge"].calls) == 1


async def test_several_small_figures_do_too(job: SceneJob) -> None:
    assert job.character is not None
    figures = tuple(replace(job.character, figure=index) for index in range(2))
    replicas, scene = Replicas(), sized(replace(job, character=None, characters=figures))
    result = await render(replicas.graph, scene)
    assert replicas.by_value["merge_group"].calls == [(scene.merge, result.background, *result.characters)]


async def test_one_small_layer_alone_does_too(job: SceneJob) -> None:
    replicas, layer = Replicas(), sized(job).background
    result, _ = await render_layer(replicas.graph, layer, OutputOptions())
    assert replicas.by_value["encode"].calls == [(OutputOptions(), result, layer.tenant)]


async def test_large_layers_stay_objects(job: SceneJob) -> None:
    replicas, scene = Replicas(), sized(job, **LARGE)
    await render(replicas.graph, scene)
    assert [method.calls for method in replicas.large.values()] == [
        [(scene.character,)],
        [(scene.background,)],
    ]
    responses = [method.responses[0] for method in replicas.large.values()]
    assert replicas.by_reference["merge"].calls == [(scene.merge, *responses)], (
        "responses are passed, not pixels"
    )


async def test_where_one_is_large_the_merger_is_called_by_reference(job: SceneJob) -> None:
    replicas, scene = Replicas(), replace(sized(job), background=replace(job.background, **LARGE))
    result = await render(replicas.graph, scene)
    response = replicas.large["background"].responses[0]
    assert replicas.by_reference["merge"].calls == [(scene.merge, result.character, response)]


async def test_so_it_is_where_its_answer_is_large(job: SceneJob) -> None:
    output = OutputOptions("png", upscale=4.0)
    replicas, scene = Replicas(), sized(replace(job, merge=replace(job.merge, output=output)))
    result = await render(replicas.graph, scene)
    assert replicas.by_reference["merge"].calls == [(scene.merge, result.character, result.background)]


async def test_files_beside_a_job_stay_objects(job: SceneJob) -> None:
    replicas, scene = Replicas(), sized(job, image="f")
    await render(replicas.graph.with_files({"f": b"file"}), scene)
    assert replicas.large["character"].calls == [(scene.character, {"f": b"file"})]


async def test_nothing_goes_by_value_where_ray_is_not_set_so(job: SceneJob) -> None:
    replicas = Replicas()
    await render(replace(replicas.graph, sends_values=grpc_is_on({})), sized(job))
    assert not any(method.calls for method in (*replicas.small.values(), *replicas.by_value.values()))
    assert grpc_is_on(GRPC_SETTINGS)


def failed(code: StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details="a secret prompt")


BROKEN = [StatusCode.UNAVAILABLE, StatusCode.CANCELLED, StatusCode.INTERNAL]


@pytest.mark.parametrize("code", BROKEN, ids=lambda code: code.name)
async def test_a_broken_connection_is_a_lost_replica(job: SceneJob, code: StatusCode) -> None:
    replicas = Replicas((failed(code),), (painted("character"),))
    await render(replicas.graph, sized(job))
    assert [len(method.calls) for method in replicas.small.values()] == [2, 1]


@pytest.mark.parametrize(
    "code", [code for code in StatusCode if code not in BROKEN], ids=lambda code: code.name
)
async def test_an_answer_that_cannot_be_sent_is_final(
    job: SceneJob, code: StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    replicas = Replicas((failed(code),), (painted("character"),))
    with captured(caplog), pytest.raises(GenerationFailed, match="could not be sent"):
        await render(replicas.graph, sized(job))
    assert len(replicas.small["character"].calls) == 1
    assert f"gRPC reports {code.name}" in caplog.text
    assert "secret" not in caplog.text


async def test_nor_is_that_of_a_merger(job: SceneJob) -> None:
    replicas = Replicas()
    replicas.by_value["merge"].outcomes = [failed(StatusCode.RESOURCE_EXHAUSTED), "M"]
    with pytest.raises(GenerationFailed, match="could not be sent"):
        await render(replicas.graph, sized(job))
    assert len(replicas.by_value["merge"].calls) == 1


async def test_a_stream_without_a_layer_is_a_fault(job: SceneJob) -> None:
    with pytest.raises(GenerationFailed):
        await render(Replicas(()).graph, sized(job))
