"""Parse the values of command-line options: finite numbers, positions, poses, LoRAs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args

import click

from ..choices import Position

WORDS: tuple[Position, ...] = get_args(Position)
LARGEST_BYTES = 1 << 20


class FiniteRange(click.FloatRange):
    """Accept only finite numbers: click's own range takes `nan`, and `inf` if it has no upper end."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """Return the number. Fails with a message of one sentence."""
        number: float = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, context)
        return number


class PositionParam(click.ParamType[Position | float]):
    """Read where a figure's middle is: `left`, `center`, `right`, or a share of the width from 0 to 1."""

    name = "position"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the accepted values, for the help text."""
        return f"[{'|'.join(WORDS)}|0..1]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Position | float:
        """Return the position. Fails with a message of one sentence."""
        for word in WORDS:
            if value == word:
                return word
        try:
            share = float(value)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} must be one of {', '.join(WORDS)}, or a number from 0 to 1", param, ctx)
        return share


def of_each(given: tuple[Position | float, ...], figures: int) -> list[Position | float]:
    """Return the positions of all figures, or none. Raises BadParameter if only some have one."""
    if given and len(given) != figures:
        message = (
            f"there are {figures} figures and {len(given)} positions: give one position per figure, or none"
        )
        raise click.BadParameter(message, param_hint="--position")
    return list(given)


def on_the_wire(position: Position | float | None) -> Any:
    """Return a position as the service takes it."""
    return {"x": position} if isinstance(position, float) else position


class PoseFile(click.ParamType[dict[str, Any]]):
    """Read a pose from a `.json` file: `{"keypoints": [[x, y, confidence], …]}`, or that list alone.

    Any other file is a picture of the skeleton.
    """

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the pose in the wire format, with a picture as its path. Raises click.BadParameter."""
        file = click.Path(exists=True, dir_okay=False, path_type=Path).convert(value, param, ctx)
        if not isinstance(file, Path) or file.suffix.lower() != ".json":
            return {"image": file}
        try:
            with file.open("rb") as stream:
                data = stream.read(LARGEST_BYTES + 1)
            if len(data) > LARGEST_BYTES:
                self.fail(f"the file {file.name!r} is larger than 1 MiB", param, ctx)
            read = json.loads(data, parse_constant=_no_number)
        except OSError as error:
            self.fail(f"the file {file.name!r} cannot be read: {error.strerror}", param, ctx)
        except (ValueError, RecursionError):
            self.fail(f"the file {file.name!r} is not JSON", param, ctx)
        keypoints = read.get("keypoints") if isinstance(read, dict) else read
        if not isinstance(keypoints, list):
            self.fail(f"the file {file.name!r} has no list of keypoints", param, ctx)
        return {"keypoints": keypoints}


def _no_number(name: str) -> None:
    raise ValueError(name)


class LoraParam(click.ParamType[dict[str, Any]]):
    """Read `NAME` or `NAME:SCALE`. The part after the last colon is the scale if it is a number."""

    name = "lora"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the accepted values, for the help text."""
        return "NAME[:SCALE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the LoRA as the service takes it. Fails with a message of one sentence."""
        name, colon, number = str(value).rpartition(":")
        try:
            scale = float(number)
        except ValueError:
            name, colon = str(value), ""
        if not name:
            self.fail(f"{value!r} must begin with the name of a LoRA", param, ctx)
        if not colon:
            return {"name": name}
        if not math.isfinite(scale):
            self.fail(f"the scale of {name} must be a finite number", param, ctx)
        return {"name": name, "scale": scale}
