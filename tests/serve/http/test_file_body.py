"""Files as responses: closed however the response ends, even if the client reads nothing."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest
from starlette.types import Message

from serve.http import file_body
from serve.http.file_body import PIECE_BYTES, FileBody

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def gone() -> Message:
    return {"type": "http.disconnect"}


async def test_a_file_is_sent_in_pieces_and_closed() -> None:
    data, sent = b"a" * (PIECE_BYTES + 5), list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    file = BytesIO(data)
    await FileBody(file, len(data), "application/pdf", {"Cache-Control": "private"})(SCOPE, gone, send)
    assert b"".join(each["body"] for each in sent[1:]) == data
    assert [len(each["body"]) for each in sent[1:]] == [PIECE_BYTES, 5, 0]
    assert [each["more_body"] for each in sent[1:]] == [True, True, False]
    assert (b"content-length", str(len(data)).encode()) in sent[0]["headers"]
    assert file.closed


async def test_a_file_is_under_way_until_its_reader_has_it() -> None:
    """Serve's proxy takes all pieces at once; only its disconnect says that the client has them."""
    sent, taken = list[Message](), asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await taken.wait()
        return {"type": "http.disconnect"}

    file = BytesIO(b"book")
    answering = asyncio.create_task(FileBody(file, 4, "application/pdf", {})(SCOPE, receive, send))
    while not sent or sent[-1].get("more_body", True):
        await asyncio.sleep(0)
    assert not file.closed
    taken.set()
    await answering
    assert file.closed


@pytest.mark.parametrize(
    ("piece_s", "least_bytes_s"), [(0.01, 1), (0.01, 1 << 40)], ids=["takes nothing", "takes too little"]
)
async def test_a_reader_that_takes_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, piece_s: float, least_bytes_s: int
) -> None:
    monkeypatch.setattr(file_body, "PIECE_S", piece_s)
    monkeypatch.setattr(file_body, "LEAST_BYTES_S", least_bytes_s)
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    file = BytesIO(b"book")
    async with asyncio.timeout(20):
        await FileBody(file, 4, "application/pdf", {})(SCOPE, gone, send)
    assert file.closed
    assert all(each.get("more_body", True) for each in sent), "no end is sent, since the file is incomplete"


async def test_a_reader_that_leaves_has_its_file_closed() -> None:
    began = asyncio.Event()

    async def send(message: Message) -> None:
        began.set()
        await asyncio.Event().wait()

    file = BytesIO(b"book")
    answering = asyncio.create_task(FileBody(file, 4, "application/pdf", {})(SCOPE, gone, send))
    await began.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert file.closed
