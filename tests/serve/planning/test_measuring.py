"""Measuring a profile of a service whose stages are known."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from serve.planning.device_profile import Profile
from serve.planning.measuring import STEPS, measure, steps_of


class KnownService:
    """A service whose forwards take 100 ms, and 30 ms more for each further picture in progress.

    A background forward takes at most `most_backgrounds` pictures; beyond that, the last one waits. In round
    `hiccup_in`, counted from 0, the last one waits without a reason.
    """

    def __init__(self, most_backgrounds: int = 99, hiccup_in: int | None = None) -> None:
        self.at_once = 1
        self.most_backgrounds = most_backgrounds
        self.hiccup_in = hiccup_in
        self.requested = count()
        self.models: set[Any] = set()

    def come_together(self, pictures: int) -> None:
        self.at_once, self.requested = pictures, count()

    def scene(self, character: Any, background: Any, **options: Any) -> Any:
        assert character["num_inference_steps"] == background["num_inference_steps"] == STEPS
        self.models.add((character.get("model"), background.get("model")))
        step_ms = 100.0 + 30.0 * (self.at_once - 1)
        number, place = divmod(next(self.requested), self.at_once)
        is_last = place == self.at_once - 1
        waits = is_last and (self.at_once > self.most_backgrounds or number == self.hiccup_in)
        timings = {"merge": 40.0, "output": 10.0}
        for kind, factor in (("character", 1.0), ("background", 2.0)):
            timings |= {
                f"{kind}-queue": factor * step_ms * STEPS if kind == "background" and waits else 0.0,
                f"{kind}-encode": 5.0,
                f"{kind}-denoise": factor * step_ms * STEPS,
                f"{kind}-decode": 20.0,
            }
        return SimpleNamespace(timings_ms=timings, backend="simulated")


def measured_of(service: KnownService, most_pictures: int) -> tuple[Profile, list[str]]:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if text.endswith("at a time…"):
            service.come_together(int(text.split()[0]))

    return measure(service, "test card", most_pictures, start_s=12.0, notify=say), said


def test_a_profile_is_what_the_stages_say() -> None:
    measured, said = measured_of(KnownService(), most_pictures=4)
    assert measured.device == "test card"
    assert measured.character.step_s == pytest.approx({1: 0.1, 2: 0.13, 4: 0.19})
    assert measured.background.step_s == pytest.approx({1: 0.2, 2: 0.26, 4: 0.38})
    assert (measured.character.steps, measured.background.steps) == (25, 20)
    assert (measured.character.encode_s, measured.character.decode_s) == pytest.approx((0.005, 0.02))
    assert measured.merge_s == pytest.approx(0.05)
    assert measured.character.start_s == 12.0
    assert measured.other_s == 0.0
    assert said[0] == "warming up…"


@pytest.mark.parametrize("most", [1, 2, 3, 5, 6, 7])
def test_of_pictures_that_do_not_share_a_forward_nothing_is_measured(most: int) -> None:
    measured, said = measured_of(KnownService(most_backgrounds=most), most_pictures=8)
    assert measured.character.most_pictures == 8
    assert measured.background.most_pictures == most
    assert f"background: at most {most} pictures in one forward" in said


def test_a_hiccup_is_not_taken_for_a_lack_of_room() -> None:
    measured, _ = measured_of(KnownService(hiccup_in=1), most_pictures=8)
    assert measured.background.most_pictures == 8


def test_a_profile_of_a_model_that_is_not_the_first() -> None:
    service = KnownService()
    cards = [
        {"id": "a", "default_for": ["background"], "defaults": {"background": {"num_inference_steps": 8}}},
        {"id": "b", "defaults": {"character": {"num_inference_steps": 4}}},
        {"id": "known"},
    ]
    steps = steps_of(cards, {"character": "b"})
    measured = measure(service, "card", 1, 1.0, lambda text: None, {"character": "b"}, steps)
    assert (measured.character.model, measured.character.steps) == ("b", 4)
    assert (measured.background.model, measured.background.steps) == ("", 8)
    assert service.models == {("b", None)}
