"""Rows of a network's kernels that are written by hand and kept, beside rows that learn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import nn

CENTRE, LEFT, UP = (1, 1), (1, 0), (0, 1)
"""Elements of a 3 x 3 kernel."""


class KeptRows:
    """Write kernel elements and remember which rows are to stay."""

    def __init__(self, network: nn.Module) -> None:
        self.masks = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in network.named_parameters()}
        self._names = {id(module): name for name, module in network.named_modules()}

    def keep(self, convolution: nn.Conv2d, rows: list[int]) -> None:
        """Clear these rows, and keep them as they will be written."""
        name = self._names[id(convolution)]
        convolution.weight[rows] = 0
        self.masks[f"{name}.weight"][rows] = True
        if convolution.bias is not None:
            convolution.bias[rows] = 0
            self.masks[f"{name}.bias"][rows] = True


def put(convolution: nn.Conv2d, row: int, column: int, value: float, tap: tuple[int, int] = CENTRE) -> None:
    """Add to one element of a kernel."""
    convolution.weight[row, column, *tap] += value


def bias_of(convolution: nn.Conv2d) -> torch.Tensor:
    """Return the bias of a convolution that has one."""
    assert convolution.bias is not None
    return convolution.bias


def convolutions(block: AutoencoderTinyBlock) -> tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]:
    """Return the three convolutions of a block."""
    return block.conv[0], block.conv[2], block.conv[4]


@torch.no_grad()
def settle(decoder: nn.Module, masks: dict[str, torch.Tensor], given: torch.Tensor) -> None:
    """Give the outputs of random rows a mean of 0 and a deviation of 1 on these latents."""
    *_, last = decoder.modules()
    handles = []
    for name, module in decoder.named_modules():
        if isinstance(module, nn.Conv2d) and module is not last:
            free = ~masks[f"{name}.weight"].flatten(1).any(1) & (module.weight.flatten(1) != 0).any(1)
            handles.append(module.register_forward_hook(_settler(free)))
    decoder(given)
    for handle in handles:
        handle.remove()


def _settler(free: torch.Tensor) -> Callable[[nn.Conv2d, object, torch.Tensor], torch.Tensor]:
    def settle_one(module: nn.Conv2d, _given: object, out: torch.Tensor) -> torch.Tensor:
        deviation, mean = torch.std_mean(out, (0, 2, 3))
        if module.bias is None:
            mean = torch.zeros_like(mean)
        deviation = torch.where(free, deviation.clamp_min(1e-3), 1.0)
        mean = torch.where(free, mean, 0.0)
        module.weight /= deviation[:, None, None, None]
        if module.bias is not None:
            module.bias.copy_((module.bias - mean) / deviation)
        return (out - mean[:, None, None]) / deviation[:, None, None]

    return settle_one


def hold(network: torch.nn.Module, masks: dict[str, torch.Tensor]) -> Callable[[], None]:
    """Let no gradient reach the masked elements. Returns what puts their values back after a step."""
    held = []
    for name, parameter in network.named_parameters():
        if masks[name].any():
            mask = masks[name].to(parameter.device)
            parameter.register_hook(lambda gradient, free=~mask: gradient * free)
            held.append((parameter, mask, parameter.detach().clone()))

    @torch.no_grad()
    def put_back() -> None:
        for parameter, mask, value in held:
            parameter.copy_(torch.where(mask, value, parameter))

    return put_back
