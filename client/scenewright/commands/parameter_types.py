"""Read what options take on the command line: finite numbers, positions, poses, LoRAs."""

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
    """Accept finite numbers alone: click's own takes `nan`, and `inf` where it has no end."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """Fail in one sentence."""
        number: float = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, context)
        return number


class PositionParam(click.ParamType[Position | float]):
    """Read `left`, `center`, `right`, or a share of the width, 0 to 1: where a figure's middle stands."""

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


class PoseFile(click.ParamType[dict[str, Any]]):
    """Read a pose from a `.json` file: `{"keypoints": [[x, y, confidence], …]}`, or that list alone.

    Any other file is a picture of its skeleton.
    """

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the pose as it is on the wire, a picture by its path. Raises click.BadParameter."""
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
    """Read `NAME` or `NAME:SCALE`. What follows the last colon is the scale where it is a number."""

    name = "lora"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show what may be written."""
        return "NAME[:SCALE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Fail in one sentence."""
        name, colon, number = str(value).rpartition(":")
        try:
            scale = float(number)
        except ValueError:
            name, colon = str(value), ""
        if not name:
            self.fail(f"{value!r} names no LoRA", param, ctx)
        if not colon:
            return {"name": name}
        if not math.isfinite(scale):
            self.fail(f"the scale of {name} must be a finite number", param, ctx)
        return {"name": name, "scale": scale}
