"""`scenewright`: one command line for the service, its scenes and its pictures.

Built on click, which Ray itself requires, so that the command line adds no dependency.
"""

from __future__ import annotations

import click

from .commands.group import Commands
from .commands.job import job
from .commands.keys import keys
from .commands.merge import merge
from .commands.models import models
from .commands.plan import plan
from .commands.profile import profile
from .commands.scene import scene
from .commands.serve import serve


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="scenewright")
def main() -> None:
    """Paint story scenes: a character and a place, painted in parallel and merged into one picture."""


for command in (serve, scene, merge, models, job, keys, plan, profile):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="scenewright")
