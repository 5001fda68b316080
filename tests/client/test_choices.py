"""The client's choices for request fields are the service's."""

from __future__ import annotations

from typing import get_args

import pytest

from deployments import messages
from scenewright import choices


@pytest.mark.parametrize("name", ["LayerKind", "Fallback", "MergeMode", "Position", "PictureFormat"])
def test_they_are_the_services(name: str) -> None:
    assert get_args(getattr(choices, name)) == get_args(getattr(messages, name))


def test_so_are_the_largest_numbers() -> None:
    assert choices.MAX_FIGURES == messages.MAX_FIGURES
    assert choices.MAX_REFERENCES == messages.MAX_REFERENCES
    assert choices.MAX_GUIDANCE_CACHE == messages.MAX_GUIDANCE_CACHE
