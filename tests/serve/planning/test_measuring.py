"""A profile of a service whose stages are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from serve.planning.measuring import STEPS, measure


class KnownService:
    """Its forwards take 100 ms, and 30 ms more for each further picture that is under way."""

    def __init__(self) -> None:
        self.at_once = 1

    def scene(self, character: Any, background: Any, **options: Any) -> Any:
        assert character["num_inference_steps"] == background["num_inference_steps"] == STEPS
        step_ms = 100.0 + 30.0 * (self.at_once - 1)
        timings = {"merge": 40.0, "output": 10.0}
        for kind, factor in (("character", 1.0), ("background", 2.0)):
            timings |= {
                f"{kind}-queue": 0.0,
                f"{kind}-encode": 5.0,
                f"{kind}-denoise": factor * step_ms * STEPS,
                f"{kind}-decode": 20.0,
            }
        return SimpleNamespace(timings_ms=timings, backend="simulated")


def test_a_profile_is_what_the_stages_say() -> None:
    service = KnownService()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if text.endswith("at a time…"):
            service.at_once = int(text.split()[0])

    measured = measure(service, "test card", most_pictures=4, start_s=12.0, say=say)
    assert measured.device == "test card"
    assert measured.character.step_s == pytest.approx({1: 0.1, 2: 0.13, 4: 0.19})
    assert measured.background.step_s == pytest.approx({1: 0.2, 2: 0.26, 4: 0.38})
    assert (measured.character.steps, measured.background.steps) == (25, 20)
    assert (measured.character.encode_s, measured.character.decode_s) == pytest.approx((0.005, 0.02))
    assert measured.merge_s == pytest.approx(0.05)
    assert measured.character.start_s == 12.0
    assert measured.other_s == 0.0
    assert said[0] == "warming up…"
