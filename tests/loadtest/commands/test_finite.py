"""Every numeric option refuses a value that is not a finite number, in one sentence."""

from __future__ import annotations

import click
import pytest

from loadtest.command_line import main
from tests.support.number_options import NO_FINITE_NUMBER, number_options

ALL = dict(number_options(main))


def test_they_are_found() -> None:
    assert {"run --rate", "soak --hours", "find --precision", "compare --tolerance"} <= ALL.keys()


@pytest.mark.parametrize("option", ALL)
@pytest.mark.parametrize("value", NO_FINITE_NUMBER)
def test_what_is_no_finite_number_is_refused(option: str, value: str) -> None:
    with pytest.raises(click.BadParameter):
        ALL[option].convert(value, None, None)
