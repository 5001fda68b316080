"""A command that this version only names."""

from __future__ import annotations

import click


def absent(name: str, purpose: str) -> click.Command:
    """It takes any arguments, says that it cannot run yet, and exits 2."""

    def refuse(arguments: tuple[str, ...]) -> None:
        raise click.UsageError(f"this version of Scenewright does not have `{name}` yet")

    return click.Command(
        name,
        callback=refuse,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
        help=f"{purpose} (not in this version yet)",
    )
