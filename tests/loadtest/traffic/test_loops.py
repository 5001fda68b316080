from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loadtest.traffic import arrivals
from loadtest.traffic.loops import Target
from loadtest.traffic.mix import Mix, parse
from loadtest.traffic.request_plan import plan
from tests.support.fake_service import FakeService, encoded
from tests.support.polling import until

Measure = Callable[..., dict[str, Any]]
STALL_S = 2.0


def mix_of(**entry: Any) -> Mix:
    return parse(
        json.dumps({"characters": ["a"], "backgrounds": ["b"], "requests": [{"name": "it", **entry}]})
    )


def test_a_stall_is_reported_as_long_as_it_was(fake_service: FakeService, measure: Measure, mix: Mix) -> None:
    """The true latency comes from the server: when it answered, minus when the request was to be sent."""
    fake_service.stall_s = (1.0, 1.0 + STALL_S)
    times = arrivals.poisson(12, 4.0, seed=3)
    summary = measure(times)
    intended = {request.body["seed"]: request.at_s or 0.0 for request in plan(mix, times, 1)}
    first = fake_service.served[0]
    zero = first.arrived - intended[first.body["seed"]]
    truth = [(served.ended or 0.0) - zero - intended[served.body["seed"]] for served in fake_service.served]
    assert np.percentile(truth, 99) > 0.8 * STALL_S
    for name, percent in (("p95", 95), ("p99", 99)):
        # A busy machine adds to it; a generator that hid the stall would see almost nothing.
        assert summary["latency_s"][name] == pytest.approx(np.percentile(truth, percent), rel=0.25), name


def test_a_closed_loop_hides_the_same_stall_and_says_so(fake_service: FakeService, measure: Measure) -> None:
    fake_service.stall_s = (0.5, 2.0)
    summary = measure([], users=2, ends_s=4.0)
    assert summary["latency_s"]["max"] > 1.0
    assert summary["latency_s"]["p95"] < 0.5
    assert any("coordinated omission" in warning for warning in summary["warnings"])


def test_an_open_loop_waits_for_no_answer(fake_service: FakeService, measure: Measure) -> None:
    fake_service.delay_s = 1.5
    summary = measure([number * 0.02 for number in range(10)])
    assert fake_service.most_at_once == 10
    assert summary["ok"] == 10


def test_a_closed_loop_has_no_more_users_than_were_requested(
    fake_service: FakeService, measure: Measure
) -> None:
    summary = measure([], users=3, ends_s=0.5)
    assert fake_service.most_at_once == 3
    assert summary["ok"] == summary["requests"] > 3, "users send again"


def test_a_late_generator_makes_the_run_invalid(measure: Measure) -> None:
    async def hog(now: Callable[[], float], replicas: object) -> None:
        time.sleep(0.4)  # Blocks the event loop.

    summary = measure([number * 0.01 for number in range(60)], hog)
    assert summary["send_lag_s"]["p99"] > 0.2
    assert not summary["valid"]
    assert "lagged" in summary["invalid_because"][0]
    assert summary["latency_s"]["max"] > 0.3  # the wait still counts as latency


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ({"error": lambda number: (429, "overloaded")}, "429 overloaded"),
        ({"error": lambda number: (500, 7)}, "500"),
        ({"drop": lambda number: True}, "connection lost"),
        ({"delay_s": 5.0}, "timeout"),
        ({"picture": lambda size, form: encoded(Image.new("RGB", size, "red"))}, "bad picture: flat"),
        ({"picture": lambda size, form: b"\xff\xd8\xff not a picture"}, "bad picture: undecodable"),
        ({"picture": lambda size, form: encoded(Image.linear_gradient("L"))}, "bad picture: 256x256"),
    ],
)
def test_what_is_no_picture_is_a_failure_by_its_code(
    fake_service: FakeService, url: str, measure: Measure, behaviour: dict[str, Any], code: str
) -> None:
    for name, value in behaviour.items():
        setattr(fake_service, name, value)
    summary = measure([0.0, 0.05], target=Target(url, 0.6))
    assert summary["errors"] == {code: 2}
    assert (summary["ok"], summary["latency_s"], summary["goodput_rps"]) == (0, None, 0)


def test_nothing_listens(measure: Measure) -> None:
    summary = measure([0.0], target=Target("http://127.0.0.1:9", 5.0))
    assert summary["errors"] == {"connection refused": 1}


@pytest.mark.parametrize(
    "entry",
    [
        {"answer": "stream", "frame": ["64x32"]},
        {"answer": "json", "frame": ["64x32"], "format": ["png"]},
        {"answer": "stream", "route": "characters", "character_size": ["64x96"]},
        {"route": "backgrounds", "background_size": ["96x64"], "format": ["webp"]},
        {"route": "jobs", "scenes": 3, "frame": ["64x32"]},
    ],
    ids=str,
)
def test_every_form_of_answer_is_read_and_checked(
    fake_service: FakeService, measure: Measure, entry: dict[str, Any]
) -> None:
    summary = measure([0.0, 0.05], mix=mix_of(**entry))
    assert (summary["ok"], summary["errors"]) == (2, {})
    fake_service.picture = lambda size, form: encoded(Image.new("RGB", size), form)
    assert measure([0.0], mix=mix_of(**entry))["errors"] == {"bad picture: flat": 1}


def test_stages_come_from_server_timing(measure: Measure) -> None:
    stages = measure([0.0])["stages_s"]
    assert stages["character-denoise"]["p50"] == pytest.approx(0.0125, rel=0.01)
    assert set(stages) == {"character-queue", "character-denoise", "merge"}


def test_cancelled_requests_leave_and_count_as_neither(fake_service: FakeService, measure: Measure) -> None:
    fake_service.delay_s = 5.0
    summary = measure([0.0, 0.05, 0.1], mix=mix_of(cancels={"share": 1, "after_s": [0.5, 0.6]}))
    assert (summary["cancelled"], summary["ok"], summary["errors"]) == (3, 0, {})
    # On a slow machine a request may be cancelled before the server has seen it.
    until(lambda: fake_service.given_up == len(fake_service.served) > 0)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"status": "failed", "error": {"code": "generation_failed"}}, "job generation_failed"),
        ({"status": "failed", "error": None}, "job failed"),
        ({"status": "failed", "error": "words"}, "malformed response"),
        ({"url": None}, "malformed response"),
    ],
)
def test_a_job_with_a_failed_scene_has_failed(
    fake_service: FakeService, measure: Measure, last: dict[str, Any], code: str
) -> None:
    fake_service.last_scene = last
    assert measure([0.0], mix=mix_of(route="jobs", scenes=2))["errors"] == {code: 1}


def test_a_cancelled_job_is_deleted(fake_service: FakeService, measure: Measure) -> None:
    fake_service.delay_s = lambda number: 0.0  # a job that never ends
    entry = {"route": "jobs", "scenes": 2, "cancels": {"share": 1, "after_s": [0.3, 0.3]}}
    assert measure([0.0], mix=mix_of(**entry))["cancelled"] == 1
    assert fake_service.deleted == ["j0"]


def test_the_seed_decides_what_is_sent(fake_service: FakeService, measure: Measure) -> None:
    for seed in (5, 5, 6):
        measure([0.0, 0.01], seed=seed)
    sent = [served.body["seed"] for served in fake_service.served]
    assert sent[:2] == sent[2:4]
    assert sent[:2] != sent[4:]
