"""A refused, failed or abandoned request costs nothing unless something was painted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from deployments.errors import (
    CutoutFailed,
    DeadlineExceeded,
    GenerationFailed,
    InvalidRequest,
    NotReady,
    OutOfMemory,
    Overloaded,
)
from serve.auth.quotas import Quota
from serve.http.error_responses import ClientGone, Refusal
from serve.routes.charges import charged, charged_events

NOTHING_MADE = [Overloaded("x"), NotReady("x"), GenerationFailed("x"), OutOfMemory("x"), ValueError("x")]
UNFINISHED = [DeadlineExceeded("x"), ClientGone(), InvalidRequest("x"), asyncio.CancelledError()]


def caller(quota: Quota) -> Any:
    return SimpleNamespace(state=SimpleNamespace(quota=quota))


@contextmanager
def spending(quota: Quota, all_of_it: bool) -> Iterator[None]:
    """Assert that the block costs the whole burst, or nothing."""
    yield
    if all_of_it:
        with pytest.raises(Refusal):
            quota.spend(1e-3, 0.0)
    else:
        quota.spend(5.0, 0.0)


async def failing(error: BaseException) -> NoReturn:
    raise error


def a_quota(monkeypatch: pytest.MonkeyPatch) -> Quota:
    monkeypatch.setattr("serve.routes.charges.time", SimpleNamespace(monotonic=lambda: 0.0))
    return Quota(rate=1e-9, burst=5.0)


@pytest.mark.parametrize("error", NOTHING_MADE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("begun", [True, False])
async def test_our_refusals_and_faults_cost_nothing(
    error: Exception, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = a_quota(monkeypatch)
    with spending(quota, False), pytest.raises(type(error)):
        await charged(caller(quota), 5.0, lambda: begun, failing(error))


@pytest.mark.parametrize("error", UNFINISHED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("begun", [True, False])
async def test_what_was_not_waited_for_costs_what_was_begun(
    error: BaseException, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = a_quota(monkeypatch)
    with spending(quota, begun), pytest.raises(type(error)):
        await charged(caller(quota), 5.0, lambda: begun, failing(error))


async def test_a_figure_that_was_painted_and_not_cut_out_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    quota = a_quota(monkeypatch)
    with spending(quota, True), pytest.raises(CutoutFailed):
        await charged(caller(quota), 5.0, lambda: False, failing(CutoutFailed("x")))


async def test_what_is_over_the_quota_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    quota = a_quota(monkeypatch)
    quota.spend(5.0, 0.0)
    with pytest.raises(Refusal):
        await charged(caller(quota), 1.0, lambda: True, failing(AssertionError("the work began")))


async def test_a_stream_that_is_refused_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    quota = a_quota(monkeypatch)

    async def produce(on_event: Any) -> None:
        raise Overloaded("x")

    with spending(quota, False), pytest.raises(Overloaded):
        await charged_events(caller(quota), 5.0, lambda: True, produce)(lambda event: None)
