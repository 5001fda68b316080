"""`python -m loadtest`."""

from __future__ import annotations

import click

from .commands.chaos import chaos
from .commands.compare import compare
from .commands.find import find
from .commands.mlperf import mlperf
from .commands.run import run
from .commands.soak import soak
from .commands.step import step


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Load tests that a sceptic believes.

    Latency counts from when a request was meant to be sent; every picture is decoded and checked; a run whose
    generator was late is marked INVALID. docs/load-testing.md explains it all.
    """


for command in (run, find, step, chaos, soak, compare, mlperf):
    main.add_command(command)
