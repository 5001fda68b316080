"""Cancel the work of a client that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.types import Receive

Result = TypeVar("Result")


class ClientGone(Exception):
    """The client is gone, so nobody is left to read an answer."""


async def abandon_with_client(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the work's result.

    If the client hangs up first, cancel the work and raise ClientGone.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(hang_up(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        # Both are waited for: asyncio logs an error that nobody took from a task.
        leaving.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def hang_up(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
