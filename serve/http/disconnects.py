"""When the client goes away, so does its work."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.types import Receive

Result = TypeVar("Result")


class ClientGone(Exception):
    """Nobody is left to read an answer."""


async def abandon_with_client(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The work's result; the work is cancelled if the client hangs up first. Raises ClientGone then."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(hang_up(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        # Both are waited for: what nobody takes from a task is complained of once it is collected.
        leaving.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def hang_up(receive: Receive) -> None:
    """Returns when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
