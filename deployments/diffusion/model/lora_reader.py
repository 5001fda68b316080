"""Read a LoRA as diffusers and peft do, beside a model that paints meanwhile.

It is laid over copies of the networks that have no weights, and taken off them: the model itself is not
touched. So names, scales and errors are those of diffusers, whatever form the trainer wrote.
"""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from peft.tuners.lora import LoraLayer

from deployments.diffusion.model.adapters import lay_one
from deployments.diffusion.model.device import within_memory
from deployments.diffusion.model.lora_rows import LayerChange
from deployments.diffusion.model.pipeline_copy import no_warnings
from deployments.diffusion.painter import LoraWeights
from deployments.errors import InvalidRequest, NotReady

ADAPTER = "picture"


class LoraReader:
    """Read LoRAs for a pipeline. It keeps no weight of it, and outlives it."""

    def __init__(self, pipeline: Any, model: str) -> None:
        self._model = model
        networks = {name: getattr(pipeline, name, None) for name in pipeline._lora_loadable_modules}
        self._networks = {
            name: _without_weights(network)
            for name, network in networks.items()
            if isinstance(network, torch.nn.Module)
        }
        self._shapes = {name: _shapes(network) for name, network in self._networks.items()}
        self.network_names = tuple(self._networks)
        self.number_bytes: int = max(network.dtype.itemsize for network in self._networks.values())
        self._device = pipeline._execution_device
        self._pipeline = copy.copy(pipeline)
        self._pipeline.__dict__ |= dict.fromkeys(pipeline.components) | {"_all_hooks": []}

    def read(self, file: Path) -> LoraWeights:
        """Return a LoRA on the model's device. Raises InvalidRequest where it does not fit the model."""
        pipeline = copy.copy(self._pipeline)
        pipeline.__dict__ |= {name: _copied(network) for name, network in self._networks.items()}
        try:
            with no_warnings():
                # Not by peft's means to save memory: those reach into every thread that makes a network.
                lay_one(pipeline, ADAPTER, file, self._model, low_cpu_mem_usage=False)
        except NotReady as error:
            raise InvalidRequest(error.message) from error
        networks = {
            name: self._changes(getattr(pipeline, name), self._shapes[name], file) for name in self._networks
        }
        weights = [
            weight
            for layers in networks.values()
            for change in layers.values()
            for part in (change.down, change.up)
            for weight in part.parameters()
        ]
        return LoraWeights(networks, sum(weight.nbytes for weight in weights))

    def _on_device(self, part: torch.nn.Module) -> torch.nn.Module:
        return part.requires_grad_(False).to(self._device)

    def _changes(
        self, network: torch.nn.Module, shapes: dict[str, torch.Size], file: Path
    ) -> dict[str, LayerChange]:
        changes: dict[str, LayerChange] = {}
        for name, layer in network.named_modules():
            if not isinstance(layer, LoraLayer) or ADAPTER not in layer.r:
                continue
            if ADAPTER not in layer.lora_A or layer.lora_variant:
                raise InvalidRequest(
                    f"the LoRA {file.name} cannot be used: its change of {name} is no plain LoRA"
                )
            if layer.get_base_layer().weight.shape != shapes[name]:
                raise InvalidRequest(f"the LoRA {file.name} cannot be used: it makes {name} larger")
            parts = (layer.lora_A[ADAPTER], layer.lora_B[ADAPTER])
            if not all(bool(weight.isfinite().all()) for part in parts for weight in part.parameters()):
                raise InvalidRequest(f"the LoRA {file.name} cannot be used: its weights are not all finite")
            down, up = (within_memory(partial(self._on_device, part)) for part in parts)
            changes[name] = LayerChange(down, up, float(layer.scaling[ADAPTER]))
        return changes


def _without_weights(network: Any) -> Any:
    """Make a network such as this, all of whose weights are one zero each, seen in the weight's shape."""
    kind, config = type(network), network.config
    with torch.device("meta"):
        made = kind.from_config(config) if issubclass(kind, diffusers.ModelMixin) else kind(config)
    for module in made.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            zero = torch.zeros((), dtype=network.dtype).expand(weight.shape)
            setattr(module, name, torch.nn.Parameter(zero, requires_grad=False))
        for name, values in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.zeros((), dtype=values.dtype).expand(values.shape))
    return made


def _copied(network: torch.nn.Module) -> torch.nn.Module:
    """Copy a network but for its weights, which are not written."""
    kept = {id(weight): weight for weight in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, kept)


def _shapes(network: torch.nn.Module) -> dict[str, torch.Size]:
    return {
        name: layer.weight.shape
        for name, layer in network.named_modules()
        if isinstance(getattr(layer, "weight", None), torch.Tensor)
    }
