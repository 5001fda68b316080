"""Send the same request with both clients, and check the raised error with all its causes."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from scenewright import AsyncScenewright, NotSent, Retries, Scenewright, ScenewrightError, ServerUnreachable

SECRET = "sup3rsecret"
NEVER = Retries(most=0)


def synchronously(url: Any, key: Any = None, **options: Any) -> None:
    with Scenewright(url, key, retries=NEVER, **options) as service:
        service.models()


def asynchronously(url: Any, key: Any = None, **options: Any) -> None:
    async def send() -> None:
        async with AsyncScenewright(url, key, retries=NEVER, **options) as service:
            await service.models()

    asyncio.run(send())


BOTH = pytest.mark.parametrize("send", [synchronously, asynchronously])


def raised(send: Callable[..., Any], *arguments: Any, **options: Any) -> ScenewrightError | ServerUnreachable:
    """Return the raised error: one of ours, on one line, with no secret in it or in its causes."""
    with pytest.raises((ScenewrightError, ServerUnreachable)) as caught:
        send(*arguments, **options)
    error = caught.value
    assert str(error) and "\n" not in str(error)
    assert SECRET not in "".join(traceback.format_exception(error))
    left: list[BaseException | None] = [error]
    while left:
        if (each := left.pop()) is not None:
            assert SECRET not in repr(each)
            left += [each.__cause__, each.__context__]
    return error


def not_sent(send: Callable[..., Any], *arguments: Any, **options: Any) -> NotSent:
    error = raised(send, *arguments, **options)
    assert type(error) is NotSent, repr(error)
    return error
