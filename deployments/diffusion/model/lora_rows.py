"""Apply to each row of a forward the LoRAs of its own picture, or none.

This is what peft does for a batch of mixed adapters, but by picture and not by the adapters' names. Two
pictures may have one LoRA at two scales, and a picture's result does not depend on whether others have it
too. Nothing in the network is replaced, so LoRAs can change between two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch.nn.functional import linear

from deployments.diffusion.lora_weights import PictureLora


@dataclass(frozen=True, eq=False)
class Window:
    """The window of a convolution. `convolve` is torch's function for its number of dimensions."""

    convolve: Callable[..., torch.Tensor]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    groups: int


@dataclass(frozen=True, eq=False)
class LayerChange:
    """Change a layer's output by scale * up(down(input)), as peft's LoraLayer does.

    `down` is (rank, inputs), and `up` is (outputs, rank). For a convolution the sides of its kernel follow.
    """

    down: torch.Tensor
    up: torch.Tensor
    bias: torch.Tensor | None
    scale: float
    window: Window | None = None

    def __call__(self, value: torch.Tensor, scale: float) -> torch.Tensor:
        value = value.to(self.down.dtype)
        if self.window is None:
            changed = linear(linear(value, self.down), self.up, self.bias)
        else:
            convolve, groups = self.window.convolve, self.window.groups
            narrow = convolve(value, self.down, None, self.window.stride, self.window.padding)
            changed = convolve(narrow, self.up, self.bias, groups=groups)
        return changed * (self.scale * scale)

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        return (self.down, self.up) if self.bias is None else (self.down, self.up, self.bias)

    def to(self, device: torch.device) -> LayerChange:
        """Return it on a device."""
        bias = None if self.bias is None else self.bias.to(device)
        return replace(self, down=self.down.to(device), up=self.up.to(device), bias=bias)


Changes = Mapping[str, Sequence[tuple[LayerChange, float]]]
"""The changes to each layer of a network by its name, with their scales. Several are added together."""


def changes_of(loras: Sequence[PictureLora], network: str) -> Changes:
    """Return the changes of a picture's LoRAs to one of the networks."""
    changes: dict[str, list[tuple[LayerChange, float]]] = {}
    for lora in loras:
        for layer, change in lora.weights.networks.get(network, {}).items():
            changes.setdefault(layer, []).append((change, lora.use.scale))
    return changes


class LoraRows:
    """Hook the layers of a network that LoRAs change."""

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
        """Apply changes to calls inside the block. `rows` counts each picture's rows, in their order.

        There are `filled` rows in all. Those beyond the pictures' rows belong to no picture.
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
        if self._is_one:  # All rows that matter belong to one picture, whatever the axes mean.
            return output + _sum(self._rows[0][2][layer], value).to(output.dtype)
        if len(value) % self._count:
            raise RuntimeError(f"the rows of {layer}'s input cannot be divided among the pictures")
        each = len(value) // self._count
        for begin, end, changes in self._rows:
            if layer in changes:
                part = slice(begin * each, end * each)
                output[part] += _sum(changes[layer], value[part]).to(output.dtype)
        return output


def _sum(changes: Sequence[tuple[LayerChange, float]], value: torch.Tensor) -> torch.Tensor:
    first, *others = (change(value, scale) for change, scale in changes)
    return sum(others, start=first)
