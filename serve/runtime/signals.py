"""Handle SIGINT and SIGTERM alike, and keep both of them from cutting clean-up short."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL_S = 0.5


def listen() -> None:
    """Make both signals raise KeyboardInterrupt in the main thread from now on."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def wait(check: Callable[[], None]) -> NoReturn:
    """Wait until KeyboardInterrupt, or until `check` raises."""
    while True:
        check()
        time.sleep(POLL_S)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore both signals while the block runs: a second Ctrl-C must not leave half a cluster behind."""
    before = [signal.signal(number, signal.SIG_IGN) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
