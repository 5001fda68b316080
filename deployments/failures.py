"""Say how a piece of work failed, so that each caller raises an error of its own.

An exception of a library may not be copied, pickled or printed: its constructor may take keywords alone, its
arguments may hold locks, its `__str__` may raise. So none is handed on. A Failure keeps what may be seen, and
makes a fresh error for each caller.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from deployments import errors
from deployments.errors import ScenewrightError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

KINDS: tuple[type[ScenewrightError], ...] = (
    errors.CutoutFailed,
    errors.UnsupportedTask,
    errors.ContentRefused,
    errors.InvalidRequest,
    errors.Overloaded,
    errors.GenerationFailed,
    errors.ModelUnusable,
    errors.NotReady,
    errors.OutOfMemory,
    errors.DeadlineExceeded,
    errors.InternalError,
)
"""Classes before their bases. Only these cross a process: a subclass may have a constructor of its own."""


@dataclass(frozen=True, eq=False)
class Failure:
    """One way in which work ended. `cause` stays in this process: it is logged, and never pickled."""

    kind: type[ScenewrightError]
    message: str
    param: str | None = None
    retry_after_s: float | None = None
    cause: BaseException | None = None

    def error(self) -> ScenewrightError:
        """Return a fresh error, to be raised once."""
        error = self.kind(self.message, self.param, self.retry_after_s)
        error.__cause__ = self.cause
        return error


def failure_of(error: BaseException, otherwise: type[ScenewrightError], message: str) -> Failure:
    """Return what callers may see of `error`: its own words if it is ours, else `otherwise` with `message`.

    The local variables of its frames are cleared: they may hold a picture, or half a device's memory.
    """
    _clear(error)
    for kind in KINDS:
        if isinstance(error, kind):
            param, retry_after_s = (
                _attribute(error, "param", str),
                _attribute(error, "retry_after_s", int | float),
            )
            return Failure(kind, _attribute(error, "message", str) or message, param, retry_after_s, error)
    return Failure(otherwise, message, cause=error)


async def in_thread(
    work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Run `work` in a thread. Raises only errors of ours, whatever `work` raises.

    asyncio never wakes a task whose thread raised StopIteration, and takes CancelledError for a cancel.
    """

    def guarded() -> Result | Failure:
        try:
            return work(*args, **kwargs)
        except BaseException as error:
            return failure_of(error, errors.InternalError, "something went wrong inside of a replica")

    done = await asyncio.to_thread(guarded)
    if isinstance(done, Failure):
        raise done.error()
    return done


def _attribute(error: BaseException, name: str, kind: Any) -> Any:
    """Return an attribute of an error; None where a subclass lacks it, or makes something else of it."""
    try:
        value = getattr(error, name)
    except BaseException:
        return None
    return value if isinstance(value, kind) else None


def _clear(error: BaseException | None) -> None:
    """Clear the frames of an error and of what led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__context__ if error.__cause__ is None else error.__cause__
