"""Find the command-line options that are floating point numbers."""

from __future__ import annotations

from collections.abc import Iterator

import click

NO_FINITE_NUMBER = ("nan", "inf", "-inf", "-1")


def number_options(command: click.Command, path: str = "") -> Iterator[tuple[str, click.ParamType[float]]]:
    """Yield each floating point option of a command and its subcommands."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.FloatParamType):
            yield f"{path} {parameter.opts[0]}".strip(), parameter.type
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from number_options(below, f"{path} {name}".strip())
