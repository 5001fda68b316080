"""Report what the program waits for, if that takes longer than a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST_AFTER_S = 2.0
LONGEST_SILENCE_S = 15.0

Notify = Callable[[str], None]


@contextmanager
def reporting_progress(
    notify: Notify, what: Callable[[], str], first_after_s: float = FIRST_AFTER_S
) -> Iterator[None]:
    """Report while the block runs that it waits for `what()`, and for how long, less and less often."""
    over = threading.Event()

    def report() -> None:
        begun, pause_s = time.monotonic(), first_after_s
        while not over.wait(pause_s):
            notify(f"waiting for {what()} ({time.monotonic() - begun:.0f} s)…")
            pause_s = min(2 * pause_s, LONGEST_SILENCE_S)

    thread = threading.Thread(target=report, daemon=True, name="waiting")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
