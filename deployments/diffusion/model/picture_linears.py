"""Multiply what has one vector a row for each picture by itself, as it is multiplied where it is alone.

On a CPU a product of two or three rows sums in another order than one of four or more. So of all layers of a
network those that read a time or a size, one vector a row, would give a picture other bits beside others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


class PictureLinears:
    """Watch the linear layers of networks that one thread runs."""

    def __init__(self, *networks: torch.nn.Module) -> None:
        self._rows: list[int] = []
        for network in networks:
            for module in network.modules():
                if isinstance(module, torch.nn.Linear):
                    module.register_forward_hook(self._multiply)

    @contextmanager
    def apart(self, rows: Sequence[int], filled: int) -> Iterator[None]:
        """Keep the pictures' vectors apart inside of the block. `rows`: of each, of `filled` in all."""
        spare = filled - sum(rows)
        self._rows = [*rows, spare] if spare else list(rows)
        try:
            yield
        finally:
            self._rows = []

    def _multiply(self, module: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        if len(self._rows) < 2 or inputs[0].ndim != 2 or len(inputs[0]) != sum(self._rows):
            return None
        return torch.cat([module.forward(part) for part in inputs[0].split(self._rows)])
