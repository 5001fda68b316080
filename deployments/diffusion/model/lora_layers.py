"""Build a LoRA's changes to a network's layers as peft does, but leave the layers in place.

A layer with only one of the two matrices is refused, while peft would leave it unchanged.

peft replaces each layer with a module of its own, whose random weights the file's then replace. That takes
some 2 ms of Python per layer, during which the pictures under way wait for the interpreter.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from peft import LoraConfig
from peft.utils.other import get_pattern_key
from torch import nn
from torch.nn import functional

from deployments.diffusion.model.lora_rows import LayerChange, Window

Tensors = Mapping[str, torch.Tensor]
Value = TypeVar("Value")
CONVOLVE: Mapping[int, Any] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
"""torch's convolution functions, by their number of dimensions."""
DOWN, UP, BIAS = "A.weight", "B.weight", "B.bias"
NO_LAYER = "its layers are not found in the base model"


class NoPlainLora(Exception):
    """A change that is more than a product of two matrices. `layer` is the name of its layer."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer)
        self.layer = layer


def layer_changes(network: nn.Module, config: LoraConfig, tensors: Tensors) -> dict[str, LayerChange]:
    """Return the changes of a LoRA in peft's form, by the names of the network's layers.

    Only the shapes of `network` are read. Layers that it does not have are skipped, as in peft. Raises
    ValueError if it has none of them, RuntimeError in torch's words if a shape differs, and NoPlainLora.
    """
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        name, lora, part = key.partition(".lora_")
        if lora:
            parts.setdefault(name, {})[part] = value
    layers = dict(network.named_modules())
    known = {name: given for name, given in parts.items() if name in layers}
    if not known:
        raise ValueError(NO_LAYER)
    if (variant := _is_variant(config)) or any(not _is_product(given) for given in known.values()):
        raise NoPlainLora(next(name for name, given in known.items() if variant or not _is_product(given)))
    return {name: _change(name, layers[name], config, given) for name, given in known.items()}


def _change(name: str, layer: Any, config: LoraConfig, given: Tensors) -> LayerChange:
    rank = _matched(config.rank_pattern, name, config.r)
    alpha = _matched(config.alpha_pattern, name, config.lora_alpha)
    inputs, outputs, kernel, window = _form(name, layer)
    groups = window.groups if window else 1
    if rank < 1 or rank % groups:
        raise ValueError(f"its rank for {name} must be a positive multiple of {groups}, not {rank}")
    wanted = {
        DOWN: (rank, inputs, *kernel),
        UP: (outputs, rank // groups, *(1,) * len(kernel)),
        BIAS: (outputs,),
    }
    for part, value in given.items():
        if value.shape != wanted[part]:
            raise RuntimeError(  # In torch's words, which load_errors reads.
                f"size mismatch for {name}.lora_{part}: copying a param with shape {value.shape} from"
                f" checkpoint, the shape in current model is {torch.Size(wanted[part])}."
            )
    # Copied: the tensors are mapped from the file, which may be replaced while the LoRA is held.
    read = {part: value.to(layer.weight.dtype, copy=True).contiguous() for part, value in given.items()}
    scale = float(alpha / (math.sqrt(rank) if config.use_rslora else rank))
    return LayerChange(read[DOWN], read[UP], read.get(BIAS) if config.lora_bias else None, scale, window)


def _form(name: str, layer: Any) -> tuple[int, int, tuple[int, ...], Window | None]:
    """Return a layer's inputs and outputs, and its kernel and window if it is a convolution."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features, (), None
    if not isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        raise NoPlainLora(name)
    window = Window(CONVOLVE[len(layer.kernel_size)], layer.stride, layer.padding, layer.groups)
    return layer.in_channels, layer.out_channels, layer.kernel_size, window


def _is_product(given: Tensors) -> bool:
    return {DOWN, UP} <= given.keys() <= {DOWN, UP, BIAS}


def _is_variant(config: LoraConfig) -> bool:
    """Return whether it is a DoRA or another form that peft computes in its own way."""
    return any(
        field.metadata.get("is_lora_variant") and getattr(config, field.name)
        for field in dataclasses.fields(config)
    )


def _matched(patterns: Mapping[str, Value], name: str, default: Value) -> Value:
    """Return the value of the pattern that peft chooses for a layer. Most are the layer's whole name."""
    if not patterns:
        return default
    whole = patterns.get(f"^{name}")
    return whole if whole is not None else patterns.get(get_pattern_key(list(patterns), name), default)
