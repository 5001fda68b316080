"""A bug in the job worker is logged each time, and ends its replica if it happens too often."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from serve.jobs.background_tasks import TOO_OFTEN, again_and_again
from tests.support.local_service import captured


class Enough(BaseException):
    """Ends the loop of a test."""


def times(caplog: pytest.LogCaptureFixture, message: str) -> int:
    """Count the records with this message, each once, since one may be captured twice."""
    return len({id(record) for record in caplog.records if record.getMessage() == message})


async def run(failures: list[Exception | None]) -> int:
    """Fail with these errors in turn; return the number of tries."""
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
    said = "the job worker could not use its database or picture store; it tries again"
    assert times(caplog, said) == 3 * TOO_OFTEN
