"""Say what is waited for, where waiting takes longer than a moment."""

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
    """Say `what()` is waited for, and for how long, while the block runs: soon, then ever more seldom."""
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
