"""A preview that cannot be made is omitted and logged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deployments.messages import FigureOptions, LayerKind, MergeJob, StepEvent
from serve.graph.scene import Graph
from serve.graph.scene_previews import ScenePreviews
from tests.support.fake_handles import Handle, Method
from tests.support.local_service import captured


@pytest.mark.parametrize(("made", "shown", "logged"), [(b"jpeg", [b"jpeg"], 0), (KeyError("gone"), [], 1)])
async def test_whatever_the_merger_raises_is_logged_and_the_scene_goes_on(
    made: Any, shown: list[bytes], logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    merger: Any = Handle(preview=Method(made))
    seen: list[bytes] = []
    merge = MergeJob(request_id="r")
    with captured(caplog):
        async with ScenePreviews(Graph(merger, merger, merger), merge, seen.append) as previews:
            kinds: tuple[LayerKind, ...] = ("character", "background")
            for kind in kinds:
                previews.on_event(StepEvent(kind, 1, 2, b"small"))
            assert previews._making is not None
            await asyncio.wait([previews._making])
            assert previews._making.exception() is None
    assert seen == shown
    messages = {id(record): record.getMessage() for record in caplog.records}
    assert list(messages.values()) == ["a preview of a scene could not be made"] * logged
    assert bool(logged) == ("gone" in caplog.text)


async def test_of_several_figures_every_one_is_waited_for() -> None:
    merger: Any = Handle(group_preview=Method(b"jpeg"))
    merge = MergeJob(request_id="r", figures=(FigureOptions(), FigureOptions(0.3)))
    seen: list[bytes] = []
    async with ScenePreviews(Graph(merger, merger, merger), merge, seen.append) as previews:
        previews.on_event(StepEvent("character", 1, 2, b"first"), 0)
        previews.on_event(StepEvent("background", 1, 2, b"place"))
        previews.on_event(StepEvent("character", 2, 2, b"first again"), 0)
        assert previews._making is None
        previews.on_event(StepEvent("character", 1, 2, b"second"), 1)
        assert previews._making is not None
        await asyncio.wait([previews._making])
    assert seen == [b"jpeg"]
    (called,) = merger.group_preview.calls
    assert called == (merge.options, merge.figures, b"place", [b"first again", b"second"], "")
