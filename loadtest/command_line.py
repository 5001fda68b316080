"""The command line of `python -m loadtest`."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import click

from .commands.chaos import chaos
from .commands.compare import compare
from .commands.find import find
from .commands.run import run
from .commands.soak import soak
from .commands.step import step


class Commands(click.Group):
    """Escape letters that the terminal's encoding cannot show, and report a full disk in a sentence."""

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(context)
        except* OSError as group:  # Records are written by the run's tasks, which raise together.
            error = next(_leaves(group))
        if isinstance(error, BrokenPipeError):
            raise error
        raise click.ClickException(str(getattr(error, "strerror", None) or error)) from error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for each in error.exceptions:
        yield from _leaves(each)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Run load tests whose results can be trusted.

    Latency counts from the time at which a request should have been sent. Every picture is decoded and
    checked. A run whose generator was late is marked INVALID. docs/load-testing.md explains the details.
    """


for command in (run, find, step, chaos, soak, compare):
    main.add_command(command)
