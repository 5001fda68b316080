"""Exceptions that cannot be copied, pickled, formatted or modified."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import NoReturn

from deployments.errors import InvalidRequest, OutOfMemory


class KeywordsAlone(Exception):
    """An exception that `copy` and `pickle` cannot rebuild: they pass `args` to its class."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class Locked(Exception):
    def __init__(self) -> None:
        super().__init__(threading.Lock())


class Wordless(Exception):
    def __str__(self) -> NoReturn:
        raise ZeroDivisionError

    __repr__ = __str__


class Uncopied(Exception):
    def __copy__(self) -> NoReturn:
        raise SystemExit

    def __reduce__(self) -> NoReturn:
        raise KeyboardInterrupt


class Frozen(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class OwnOutOfMemory(OutOfMemory):
    """A subclass of one of our errors whose constructor does not call ours."""

    def __init__(self, *, device: str) -> None:
        Exception.__init__(self, device)


class OwnInvalidRequest(InvalidRequest):
    def __init__(self, *, word: str) -> None:
        super().__init__(f"the word {word} is refused here", "prompt")


HOSTILE = [
    KeywordsAlone(reason="x"),
    Locked(),
    Wordless(),
    Uncopied(),
    Frozen("x"),
    OwnOutOfMemory(device="cuda:0"),
    OwnInvalidRequest(word="x"),
    MemoryError(),
    StopIteration("x"),
    StopAsyncIteration("x"),
    SystemExit(1),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    concurrent.futures.CancelledError(),
    TimeoutError(),
    BaseExceptionGroup("x", [SystemExit(1)]),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
]


def name_of(error: BaseException) -> str:
    return type(error).__name__
