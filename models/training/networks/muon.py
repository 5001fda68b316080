"""Muon: momentum whose update is made orthogonal, for the weight matrices of hidden layers.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the scale of the update
follows Liu et al. 2025, "Muon is scalable for LLM training" (arXiv 2502.16982).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from models.training.networks.mixed_precision import is_fast_in_bfloat16

MOMENTUM = 0.95
WEIGHT_DECAY = 0.01
_NEWTON_SCHULZ_STEPS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration in Jordan et al. 2024."""


def orthogonalize(matrix: torch.Tensor) -> torch.Tensor:
    """Return a matrix (rows, columns) with the same singular vectors and singular values near 1."""
    x: torch.Tensor = matrix.bfloat16() if is_fast_in_bfloat16(matrix.device.type) else matrix.float()
    tall = x.size(0) > x.size(1)
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return (x.T if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Update matrices, or kernels of four dimensions, by orthogonalized Nesterov momentum."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply one update. Parameters without a gradient keep their value."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"])

    def _update(self, parameter: torch.Tensor, rate: float) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        gradient = parameter.grad
        assert gradient is not None
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        nesterov = gradient.lerp(momentum, MOMENTUM)
        if nesterov.ndim == 4:
            # This order keeps a channels-last kernel a view: a plain reshape copies it each time.
            kernel = nesterov.permute(0, 2, 3, 1)
            matrix = orthogonalize(kernel.reshape(kernel.size(0), -1))
            update = matrix.reshape(kernel.shape).permute(0, 3, 1, 2)
        else:
            matrix = update = orthogonalize(nesterov)
        scale = 0.2 * math.sqrt(max(matrix.shape))
        parameter.mul_(1 - rate * WEIGHT_DECAY).add_(update, alpha=-rate * scale)


def split_parameters(
    network: torch.nn.Module, first_and_last: tuple[str, ...]
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """Return (hidden matrices for Muon, the rest for AdamW).

    `first_and_last` name the layers that touch inputs and outputs; Jordan et al. leave those to AdamW.
    """
    hidden: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in network.named_parameters():
        outer = any(name == layer or name.startswith(f"{layer}.") for layer in first_and_last)
        (rest if outer or parameter.ndim < 2 else hidden).append(parameter)
    return hidden, rest


class MuonAdamW:
    """A combination of both optimizers, each with its own peak learning rate."""

    def __init__(
        self, network: torch.nn.Module, first_and_last: tuple[str, ...], muon_rate: float, adam_rate: float
    ) -> None:
        hidden, rest = split_parameters(network, first_and_last)
        self._parameters = [*hidden, *rest]
        adam = torch.optim.AdamW(rest, lr=adam_rate, betas=(0.9, 0.99), weight_decay=0, fused=True)
        self._optimizers = ((Muon(hidden, muon_rate), muon_rate), (adam, adam_rate))

    def step(self, loss: torch.Tensor, rate_share: float) -> None:
        """Take one step down `loss` at this share of the peak rates, with gradients clipped to norm 1."""
        for optimizer, _ in self._optimizers:
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for optimizer, rate in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * rate_share
            optimizer.step()

    def state_dict(self) -> list[dict[str, object]]:
        """Return what `load_state_dict` takes."""
        return [optimizer.state_dict() for optimizer, _ in self._optimizers]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """Restore a stored state."""
        for (optimizer, _), state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)
