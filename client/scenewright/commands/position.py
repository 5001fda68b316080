"""The `--position` of a figure: a word, or a share of the picture's width."""

from __future__ import annotations

from typing import Any, get_args

import click

from ..choices import Position

WORDS: tuple[Position, ...] = get_args(Position)


class PositionParam(click.ParamType[Position | float]):
    """Read `left`, `center`, `right`, or a number from 0 to 1: where the figure's middle stands."""

    name = "position"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show what may be written."""
        return f"[{'|'.join(WORDS)}|0..1]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Position | float:
        """Fail in one sentence."""
        for word in WORDS:
            if value == word:
                return word
        try:
            share = float(value)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is none of {', '.join(WORDS)}, nor a number from 0 to 1", param, ctx)
        return share


def of_each(given: tuple[Position | float, ...], figures: int) -> list[Position | float]:
    """Return the positions of all figures, or none. Raises BadParameter where some have one."""
    if given and len(given) != figures:
        message = f"there are {figures} figures and {len(given)} positions: give one of each, or none"
        raise click.BadParameter(message, param_hint="--position")
    return list(given)


def on_the_wire(position: Position | float | None) -> Any:
    """Return a position as the service takes it."""
    return {"x": position} if isinstance(position, float) else position
