"""The lists of commands in `--help`: each line is a whole sentence."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from serve.cli import main


def groups(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each command that has commands."""
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
