"""Run linear layers that read one vector per row separately for each picture, as if it were alone.

On a CPU a product of two or three rows sums in another order than one of four or more. So layers that read a
time or a size, one vector per row, would give a picture other bits when it shares a forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


class PictureLinears:
    """Hook the linear layers of networks that one thread runs."""

    def __init__(self, *networks: torch.nn.Module) -> None:
        self._rows: list[int] = []
        for network in networks:
            for module in network.modules():
                if isinstance(module, torch.nn.Linear):
                    module.register_forward_hook(self._multiply)

    @contextmanager
    def apart(self, rows: Sequence[int], filled: int) -> Iterator[None]:
        """Keep pictures' vectors apart inside the block. `rows` counts each one's, of `filled` in all."""
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
