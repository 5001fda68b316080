from __future__ import annotations

import pytest

from serve.jobs.states import JobState


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"queued": 3}, "queued"),
        ({"queued": 2, "running": 1}, "running"),
        ({"queued": 2, "succeeded": 1}, "running"),
        ({"running": 1, "failed": 2}, "running"),
        ({"succeeded": 3}, "succeeded"),
        ({"succeeded": 2, "failed": 1}, "failed"),
    ],
)
def test_a_job_is_as_far_as_its_scenes(counts: dict[str, int], status: str) -> None:
    assert JobState("j", 0.0, 3, cancelled=False, counts=counts).status == status


def test_a_cancelled_job_is_cancelled_whatever_became_of_its_scenes() -> None:
    assert (
        JobState("j", 0.0, 2, cancelled=True, counts={"succeeded": 1, "cancelled": 1}).status == "cancelled"
    )
