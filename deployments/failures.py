"""Describe how a piece of work failed, so that each caller can raise its own error.

A library's exception is not safe to copy, pickle or print: its constructor may take only keywords, its
arguments may hold locks, and its `__str__` may raise. So none is passed on. A Failure keeps what callers may
see, and makes a fresh error for each of them.
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
"""Classes before their bases. Only these cross processes: a subclass may have a different constructor."""


@dataclass(frozen=True, eq=False)
class Failure:
    """The failure of a piece of work. `cause` stays in this process: it is logged, and never pickled."""

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
    """Return what callers may see of `error`: its own message if it is ours, else `otherwise` with `message`.

    Clears the local variables of its frames, which may hold a picture or half of the device's memory.
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
    """Run `work` in a thread. Raises only ScenewrightError, whatever `work` raises.

    asyncio never wakes a task whose thread raised StopIteration, and treats CancelledError as a cancellation.
    """

    def guarded() -> Result | Failure:
        try:
            return work(*args, **kwargs)
        except BaseException as error:
            return failure_of(error, errors.InternalError, "an internal error occurred in a replica")

    done = await asyncio.to_thread(guarded)
    if isinstance(done, Failure):
        raise done.error()
    return done


def _attribute(error: BaseException, name: str, kind: Any) -> Any:
    """Return an attribute of an error, or None if a subclass lacks it or gives it another type."""
    try:
        value = getattr(error, name)
    except BaseException:
        return None
    return value if isinstance(value, kind) else None


def _clear(error: BaseException | None) -> None:
    """Clear the frames of an error and of the errors that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__context__ if error.__cause__ is None else error.__cause__
