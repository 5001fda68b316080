from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loadtest.analysis.summary import Window
from loadtest.traffic.loops import Target
from loadtest.traffic.mix import Mix, parse
from loadtest.trial.trial import Trial, carry_out
from tests.support.fake_service import FakeService, serving
from tests.support.load_commands import mix_file as mix_file

SMALL = """{"characters": ["a knight"], "backgrounds": ["a castle"],
            "requests": [{"name": "scene", "frame": ["64x64"]}]}"""


@pytest.fixture
def fake_service() -> FakeService:
    return FakeService()


@pytest.fixture
def url(fake_service: FakeService) -> Iterator[str]:
    with serving(fake_service) as address:
        yield address


@pytest.fixture
def mix() -> Mix:
    return parse(SMALL)


@pytest.fixture
def measure(url: str, mix: Mix) -> Callable[..., dict[str, Any]]:
    """Return a function that measures a whole run: `measure([0.0, 0.5])`, with Trial's fields by name."""

    def carried_out(arrivals: list[float], *beside: Any, **more: Any) -> dict[str, Any]:
        ends_s = more.pop("ends_s", max(arrivals, default=0.0) + 0.001)
        fields = {"target": Target(url, 20.0), "mix": mix, "seed": 1, "quiet": True} | more
        return carry_out(Trial(window=Window(0.0, ends_s), arrivals=arrivals, **fields), *beside)

    return carried_out
