"""The lists of commands in `--help`: each line is a complete sentence."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from serve.cli import main
from serve.commands.demo import main as demo


def groups(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each command that has subcommands."""
    if isinstance(command, click.Group):
        yield path
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from groups(below, (*path, name))


@pytest.mark.parametrize("path", [*groups(main)], ids=" ".join)
def test_no_line_is_cut_short(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*path, "--help"])
    _, _, commands = done.output.partition("Commands:")
    assert commands.strip(), done.output
    assert [line for line in commands.splitlines() if line.endswith("...")] == []


def options(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Option]]:
    """Yield each option of each command, with the command's path."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield " ".join((*path, parameter.opts[-1])), parameter
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below, (*path, name))


def test_each_option_says_what_it_means() -> None:
    shown = dict([*options(main), *options(demo, ("demo",))])
    assert len(shown) > 100
    assert [path for path, option in shown.items() if not option.help] == []
