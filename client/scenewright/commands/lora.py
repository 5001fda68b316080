"""The `--lora` of a layer: a name, and how strongly it is applied."""

from __future__ import annotations

import math
from typing import Any

import click


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
