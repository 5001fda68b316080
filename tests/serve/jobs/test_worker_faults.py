"""A fault of the job worker's own is logged each time, and ends its replica where it comes too often."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from serve.jobs.background_tasks import TOO_OFTEN, again_and_again
from tests.support.local_service import captured


class Enough(BaseException):
    """Ends the loop of a test."""


def times(caplog: pytest.LogCaptureFixture, message: str) -> int:
    """Count records, each of which may have come by two ways."""
    return len({id(record) for record in caplog.records if record.getMessage() == message})


async def run(failures: list[Exception | None]) -> int:
    """Fail so, one time after another, and return how often it was tried."""
    tries = 0

    async def act() -> None:
        nonlocal tries
        tries += 1
        if not failures:
            raise Enough
        if error := failures.pop(0):
            raise error

    async def rest() -> None: ...

    try:
        await again_and_again(act, rest)
    except Enough:
        return tries
    raise AssertionError("it ended by itself")


async def test_one_that_no_database_explains_is_logged_each_time(caplog: pytest.LogCaptureFixture) -> None:
    with captured(caplog):
        assert await run([KeyError("a fault of ours")] * (TOO_OFTEN - 1) + [None]) == TOO_OFTEN + 1
    assert times(caplog, "the job worker failed") == TOO_OFTEN - 1
    assert "a fault of ours" in caplog.text


async def test_too_many_in_a_row_end_it() -> None:
    with pytest.raises(KeyError):
        await run([KeyError("a fault of ours")] * TOO_OFTEN)


async def test_a_database_that_is_away_never_does(caplog: pytest.LogCaptureFixture) -> None:
    with captured(caplog):
        away: list[Exception | None] = [
            OperationalError("", {}, Exception("away")) for _ in range(3 * TOO_OFTEN)
        ]
        assert await run(away) == 3 * TOO_OFTEN + 1
    assert times(caplog, "jobs cannot be worked off at present") == 3 * TOO_OFTEN
