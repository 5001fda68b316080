"""Give each row of a forward the LoRAs of its own picture, or none.

As peft does for a batch of mixed adapters, but by pictures and not by the adapters' names: two pictures may
have one LoRA at two scales, and what a picture gets does not depend on whether its peers have it too. Nothing
in the network is replaced, so a LoRA comes and goes between two steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch

from deployments.diffusion.painter import PictureLora


@dataclass(frozen=True, eq=False)
class LayerChange:
    """Change a layer's output by scale * up(down(input)), as peft's LoraLayer does."""

    down: torch.nn.Module
    up: torch.nn.Module
    scale: float

    def __call__(self, value: torch.Tensor, scale: float) -> torch.Tensor:
        weight: Any = self.down.weight
        changed: torch.Tensor = self.up(self.down(value.to(weight.dtype))) * (self.scale * scale)
        return changed


Changes = Mapping[str, Sequence[tuple[LayerChange, float]]]
"""By the names of a network's layers: what is added to each, and at which scale. Several become one sum."""


def changes_of(loras: Sequence[PictureLora], network: str) -> Changes:
    """Return what a picture's LoRAs change in one of the networks."""
    changes: dict[str, list[tuple[LayerChange, float]]] = {}
    for lora in loras:
        for layer, change in lora.weights.networks.get(network, {}).items():
            changes.setdefault(layer, []).append((change, lora.use.scale))
    return changes


class LoraRows:
    """Watch the layers of a network that LoRAs change."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._network = network
        self._watched: set[str] = set()
        self._rows: list[tuple[int, int, Changes]] = []
        self._count = 0
        self._is_one = False

    @contextmanager
    def applied(
        self, rows: Sequence[int], changes: Sequence[Changes], filled: int | None = None
    ) -> Iterator[None]:
        """Change the calls inside of the block. `rows`: of each picture, one after the other.

        There are `filled` rows in all; those beyond the pictures' are nobody's.
        """
        if not any(changes):
            yield
            return
        for layer in {layer for each in changes for layer in each} - self._watched:
            module = self._network.get_submodule(layer)
            module.register_forward_hook(partial(self._add, layer))
            self._watched.add(layer)
        bounds = pairwise(accumulate(rows, initial=0))
        self._rows = [(*bound, each) for bound, each in zip(bounds, changes, strict=True) if each]
        self._count = max(sum(rows), filled or 0)
        self._is_one = len(rows) == 1
        try:
            yield
        finally:
            self._rows = []

    def _add(self, layer: str, module: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        if not any(layer in changes for _, _, changes in self._rows):
            return None
        value: torch.Tensor = inputs[0]
        if self._is_one:  # All rows that matter are one picture's, whatever the axes mean.
            return output + _sum(self._rows[0][2][layer], value).to(output.dtype)
        if len(value) % self._count:
            raise RuntimeError(f"the input of {layer} has no rows of its own for each picture")
        each = len(value) // self._count
        for begin, end, changes in self._rows:
            if layer in changes:
                part = slice(begin * each, end * each)
                output[part] += _sum(changes[layer], value[part]).to(output.dtype)
        return output


def _sum(changes: Sequence[tuple[LayerChange, float]], value: torch.Tensor) -> torch.Tensor:
    first, *others = (change(value, scale) for change, scale in changes)
    return sum(others, start=first)
