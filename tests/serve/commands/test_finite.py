"""Every option that is a number refuses what is none, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from serve.cli import main


def numbers(command: click.Command, path: str = "") -> Iterator[tuple[str, click.ParamType[float]]]:
    """Yield each option that is a floating point number, of a command and those below it."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.FloatParamType):
            yield f"{path} {parameter.opts[0]}".strip(), parameter.type
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from numbers(below, f"{path} {name}".strip())


ALL = dict(numbers(main))


def test_they_are_found() -> None:
    assert {"plan --rps", "keys create --rate", "keys limit --burst", "merge --scale"} <= ALL.keys()


@pytest.mark.parametrize("option", ALL)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1"])
def test_what_is_no_finite_number_is_refused(option: str, value: str) -> None:
    with pytest.raises(click.BadParameter):
        ALL[option].convert(value, None, None)
