"""The published profiles: each agrees with its source, and cites it."""

from __future__ import annotations

import pytest

from serve.planning.device_profile import Profile
from serve.planning.published import FLUX_STEPS, PUBLISHED, STEPS
from serve.planning.search import Goal, Planner


@pytest.mark.parametrize("profile", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_each_names_its_source_and_can_be_planned_with(profile: Profile) -> None:
    assert "https://" in profile.source
    assert any(timed in profile.source for timed in (f"{STEPS} steps", f"{FLUX_STEPS} steps", "one forward"))
    assert Profile.model_validate_json(profile.model_dump_json()) == profile
    plan = Planner(profile, Goal(0.1, 60.0), 500, 0).plan()
    assert plan.chosen.setup.gpus >= 2


@pytest.mark.parametrize(
    ("name", "pictures", "steps", "call_s"),
    [
        ("sd1-rtx-4090", 4, STEPS, 3.76),
        ("sd1-rtx-3090", 1, STEPS, 2.42),
        ("sd1-a100", 16, STEPS, 13.55),
        ("sdxl-a100", 1, STEPS, 5.933),
        ("flux-dev-h100", 1, FLUX_STEPS, 6.7),
        ("flux-dev-l40", 1, 1, 0.532),
    ],
)
def test_as_many_steps_as_were_timed_take_the_published_time(
    name: str, pictures: int, steps: int, call_s: float
) -> None:
    for layer in (PUBLISHED[name].character, PUBLISHED[name].background):
        assert steps * layer.forward_s(pictures) == pytest.approx(call_s)
        assert (layer.encode_s, layer.decode_s) == (0.0, 0.0), "the steps include them"


def test_the_steps_are_those_of_a_scene() -> None:
    for name, each in PUBLISHED.items():
        expected = (FLUX_STEPS, FLUX_STEPS) if "flux" in name else (25, 20)
        assert (each.character.steps, each.background.steps) == expected
