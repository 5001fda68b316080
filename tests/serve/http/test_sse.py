from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Request

from deployments.errors import GenerationFailed, Overloaded
from serve.http.error_responses import ClientGone
from serve.http.sse import Event, EventProducer, EventStream
from serve.http.stream_budget import StreamBudget
from tests.support.events import parse_events

OnEvent = Callable[[Event], None]


class Reader:
    """A client that keeps the messages that it gets, and hangs up once `left` is set."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.messages: list[dict[str, Any]] = []
        self.got = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        self.got.set()

    async def read(self, produce: EventProducer, heartbeat_s: float = 60) -> str:
        scope = {"type": "http", "headers": [], "state": {"request_id": "r"}}
        await EventStream(Request(scope), produce, heartbeat_s)(scope, self.receive, self.send)
        return self.text

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.messages).decode()


async def test_events_in_order_and_an_end() -> None:
    async def produce(on_event: OnEvent) -> None:
        on_event(Event("one", {"word": "é\n"}))
        await asyncio.sleep(0)
        on_event(Event("two", {}))

    reader = Reader()
    assert parse_events(await reader.read(produce)) == [("one", {"word": "é\n"}), ("two", {})]
    headers = dict(reader.messages[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in headers
    assert reader.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_fault_before_the_first_event_is_an_ordinary_answer() -> None:
    async def produce(on_event: OnEvent) -> None:
        raise Overloaded("full")

    reader = Reader()
    with pytest.raises(Overloaded):
        await reader.read(produce)
    assert reader.messages == []


async def test_a_fault_after_it_is_an_event() -> None:
    async def produce(on_event: OnEvent) -> None:
        on_event(Event("one", {}))
        raise GenerationFailed("never a picture", "character")

    name, data = parse_events(await Reader().read(produce))[-1]
    assert name == "error"
    assert data["error"]["code"] == "generation_failed"
    assert data["error"]["request_id"] == "r"


async def test_an_unknown_fault_says_nothing_of_its_cause() -> None:
    async def produce(on_event: OnEvent) -> None:
        on_event(Event("one", {}))
        raise KeyError("/secret/path")

    text = await Reader().read(produce)
    assert "internal" in text and "secret" not in text


async def test_silence_is_filled_with_comments() -> None:
    reader = Reader()

    async def produce(on_event: OnEvent) -> None:
        while reader.text.count(": still at it\n\n") < 2:
            await asyncio.sleep(0.001)
        on_event(Event("one", {}))

    assert parse_events(await reader.read(produce, heartbeat_s=0.005)) == [("one", {})]


async def test_the_work_of_a_reader_that_leaves_is_cancelled() -> None:
    ended = asyncio.Event()
    reader = Reader()

    async def produce(on_event: OnEvent) -> None:
        on_event(Event("one", {}))
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    reading = asyncio.create_task(reader.read(produce))
    await reader.got.wait()
    reader.left.set()
    with pytest.raises(ClientGone):
        await reading
    assert ended.is_set()


async def test_a_connection_found_closed_while_writing_cancels_the_work() -> None:
    ended = asyncio.Event()

    class Closed(Reader):
        async def send(self, message: Any) -> None:
            raise OSError("closed")

    async def produce(on_event: OnEvent) -> None:
        on_event(Event("one", {}))
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ClientGone):
        await Closed().read(produce)
    assert ended.is_set()


class Stuck(Reader):
    """A client that reads the header of a response and nothing more."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()


async def for_ever(on_event: OnEvent) -> None:
    on_event(Event("one", {}))
    await asyncio.Event().wait()


async def test_a_recalled_stream_ends_as_if_its_time_were_over() -> None:
    budget, reader = StreamBudget(2, 2, lasts_s=60), Reader()
    scope = {"type": "http", "headers": [], "state": {"request_id": "r"}}
    stream = EventStream(Request(scope), for_ever, place=budget.open("a"))
    reading = asyncio.ensure_future(stream(scope, reader.receive, reader.send))
    await reader.got.wait()
    with budget.open("a"), budget.open("b"):
        await asyncio.wait_for(reading, 30)
    assert parse_events(reader.text) == [("one", {})]
    assert reader.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("lasts_s", [0.02, 60], ids=["too long", "recalled"])
async def test_a_reader_that_takes_nothing_keeps_no_place(
    lasts_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.http.sse.LEAVES_WITHIN_S", 0.02)
    budget, reader = StreamBudget(2, 2, lasts_s), Stuck()
    scope = {"type": "http", "headers": [], "state": {"request_id": "r"}}
    stream = EventStream(Request(scope), for_ever, place=budget.open("a"))
    reading = asyncio.ensure_future(stream(scope, reader.receive, reader.send))
    await reader.got.wait()
    with budget.open("a"), budget.open("b"), pytest.raises(ClientGone):
        await asyncio.wait_for(reading, 30)
