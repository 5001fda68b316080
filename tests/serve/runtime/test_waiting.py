from __future__ import annotations

import re
import threading

from serve.runtime.waiting import reporting_progress


def test_a_long_wait_says_what_for_and_how_long() -> None:
    said: list[str] = []
    spoken = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        spoken.set()

    with reporting_progress(say, lambda: "the paint to dry", first_after_s=0.01):
        assert spoken.wait(30)
    assert re.fullmatch(r"waiting for the paint to dry \(\d+ s\)…", said[0])


def test_a_short_wait_says_nothing() -> None:
    said: list[str] = []
    with reporting_progress(said.append, lambda: "nothing"):
        pass
    assert said == []
    assert not [thread for thread in threading.enumerate() if thread.name == "waiting"]
