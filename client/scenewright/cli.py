"""Define the command `scenewright`: the client's own subcommands, and those that installed packages add.

A package adds a subcommand by an entry point in the group `scenewright.commands`. It replaces a subcommand
of the client that has the same name.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import click

from . import __version__
from .commands.cast import cast
from .commands.group import GROUP, ExtensibleCommands
from .commands.job import job
from .commands.merge import merge
from .commands.models import models
from .commands.scene import scene
from .commands.story import story
from .commands.token import token


def installed_version() -> str:
    """Return the service's version if it is installed, else the client's."""
    try:
        return version("scenewright")
    except PackageNotFoundError:
        return __version__


def _print_version(context: click.Context, option: click.Parameter, requested: bool) -> None:
    if requested and not context.resilient_parsing:
        click.echo(f"scenewright, version {installed_version()}")
        context.exit()


@click.group(
    cls=ExtensibleCommands,
    entry_point_group=GROUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Paint story scenes: a character and a place, painted in parallel and merged into one picture."""


for command in (cast, job, merge, models, scene, story, token):
    main.add_command(command)
