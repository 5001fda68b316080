"""Run commands that report OS errors in a sentence and escape letters that the terminal cannot show."""

from __future__ import annotations

import io
import sys
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

GROUP = "scenewright.commands"
"""The entry points of the commands that other packages add to `scenewright`."""


class _InOneSentence(click.Command):
    """Escape letters that the terminal's encoding cannot show, and report OS errors in a sentence."""

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise  # `scenewright models | head`: click ends it quietly.
        except OSError as error:
            where = f"{click.format_filename(error.filename)}: " if isinstance(error.filename, str) else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


class Command(_InOneSentence): ...


class Commands(_InOneSentence, click.Group): ...


class ExtensibleCommands(Commands):
    """A group that other installed packages add commands to, by entry points.

    Each command is imported when it is looked up, so that none waits for another's imports.
    """

    def __init__(self, *given: Any, entry_point_group: str, **options: Any) -> None:
        super().__init__(*given, **options)
        self._entry_point_group = entry_point_group

    @cached_property
    def _added(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self._entry_point_group)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._added})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command. Raises click.ClickException for one that cannot be imported."""
        added = self._added.get(cmd_name)
        if added is None:
            return super().get_command(ctx, cmd_name)
        try:
            command = added.load()
        except ImportError as error:
            raise click.ClickException(f"the command {cmd_name} cannot be imported: {error}") from error
        assert isinstance(command, click.Command)  # noqa: S101 (whoever adds one says what it is)
        return command
