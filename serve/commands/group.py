"""Commands that tell of a full disk or of a terminal with fewer letters without a traceback."""

from __future__ import annotations

import io
import sys
from typing import Any

import click


class _InOneSentence(click.Command):
    """Escapes what the terminal's encoding cannot show, and tells of the machine's faults in a sentence."""

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
