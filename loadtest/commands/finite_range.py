"""Finite numbers on the command line: click's own range takes `nan`, and `inf` where it has no end."""

from __future__ import annotations

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """Accept what click's does, for finite numbers alone."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """Fail in one sentence."""
        number: float = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, context)
        return number
