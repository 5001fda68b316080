"""The pose of a figure, from a file of keypoints or a picture of its skeleton."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

LARGEST_BYTES = 1 << 20


class PoseFile(click.ParamType[dict[str, Any]]):
    """Read `{"keypoints": [[x, y, confidence], …]}`, or that list alone, from a file that ends in .json.

    Any other file is a picture.
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
