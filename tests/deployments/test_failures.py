from __future__ import annotations

import asyncio
import pickle
from typing import NoReturn

import numpy as np
import pytest

from deployments import errors
from deployments.errors import CutoutFailed, InternalError, InvalidRequest, ScenewrightError
from deployments.failures import KINDS, failure_of, in_thread
from deployments.merger import Merger
from deployments.messages import OutputOptions
from tests.support.hostile_errors import HOSTILE, name_of

SAID = "an internal error occurred in a replica"


def test_every_kind_is_known_before_its_base() -> None:
    classes = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    assert set(KINDS) == classes - {ScenewrightError}
    for place, kind in enumerate(KINDS):
        assert not any(issubclass(later, kind) for later in KINDS[place + 1 :])


def test_each_caller_gets_a_fresh_error_with_what_may_be_reported() -> None:
    failure = failure_of(CutoutFailed("a poor matte", "merge.mode", 3.0), InternalError, "x")
    first, second = failure.error(), failure.error()
    assert first is not second
    assert (type(first), str(first), first.param, first.retry_after_s) == (
        CutoutFailed,
        "a poor matte",
        "merge.mode",
        3.0,
    )


@pytest.mark.parametrize("error", HOSTILE, ids=name_of)
async def test_whatever_is_raised_in_a_thread_is_an_error_of_ours(error: BaseException) -> None:
    def call() -> NoReturn:
        raise error

    with pytest.raises(ScenewrightError) as raised:
        await asyncio.wait_for(in_thread(call), 30)
    assert type(raised.value) in KINDS
    back = pickle.loads(pickle.dumps(raised.value))  # noqa: S301
    assert str(back) == str(raised.value)


async def test_what_a_library_of_the_mergers_raises_crosses_no_handle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    merger = Merger()

    def fail(*_: object) -> NoReturn:
        raise StopIteration

    monkeypatch.setattr(merger._writer, "write", fail)
    monkeypatch.setattr("deployments.merger.of_layers", lambda layer: None)
    with pytest.raises(InternalError, match=SAID):
        await asyncio.wait_for(
            merger.encode(OutputOptions(), type("Layer", (), {"pixels": np.zeros((8, 8, 3), np.uint8)})()), 30
        )


def test_ours_stay_ours() -> None:
    refused = InvalidRequest("no", "seed")
    assert failure_of(refused, InternalError, "x").kind is InvalidRequest
