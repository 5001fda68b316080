"""Read a LoRA as diffusers does, while the model keeps painting.

diffusers reads the file and decides what changes in which network, so names, scales and errors are its own,
whatever form the trainer wrote. The networks that it gets have no weights, and only note the changes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import convert_unet_state_dict_to_peft
from diffusers.utils.peft_utils import _create_lora_config
from peft import LoraConfig

from deployments.diffusion.lora_weights import LoraWeights
from deployments.diffusion.model.adapters import lay_one
from deployments.diffusion.model.device import within_memory
from deployments.diffusion.model.lora_layers import NoPlainLora, Tensors, layer_changes
from deployments.diffusion.model.lora_rows import LayerChange
from deployments.diffusion.model.pipeline_copy import no_warnings
from deployments.errors import InvalidRequest, ModelUnusable, NotReady

ADAPTER = "picture"
Note = Callable[[LoraConfig, Tensors], None]


class LoraReader:
    """Read LoRAs for a pipeline, without keeping its weights, and even after it was unloaded."""

    def __init__(self, pipeline: Any, model: str) -> None:
        self._model = model
        networks: dict[str, Any] = {
            name: getattr(pipeline, name, None) for name in pipeline._lora_loadable_modules
        }
        self._networks: dict[str, Any] = {
            name: _without_weights(type(network), network.config, network.dtype)
            for name, network in networks.items()
            if network is not None
        }
        self._shapes = {name: _shapes(network) for name, network in self._networks.items()}
        self._configs = {name: copy.deepcopy(network.config) for name, network in self._networks.items()}
        self.network_names = tuple(self._networks)
        self.number_bytes: int = max(network.dtype.itemsize for network in self._networks.values())
        self._device = pipeline._execution_device
        self._pipeline = copy.copy(pipeline)
        self._pipeline.__dict__ |= dict.fromkeys(pipeline.components) | {"_all_hooks": []}

    def read(self, file: Path) -> LoraWeights:
        """Return a LoRA on the model's device. Raises InvalidRequest if it does not fit the model."""
        networks: dict[str, dict[str, LayerChange]] = {name: {} for name in self._networks}

        def note(name: str, config: LoraConfig, tensors: Tensors) -> None:
            networks[name] = self._changes(name, config, tensors, file)

        pipeline = copy.copy(self._pipeline)
        pipeline.__dict__ |= {
            name: _noting(network, partial(note, name)) for name, network in self._networks.items()
        }
        try:
            with no_warnings():
                lay_one(pipeline, ADAPTER, file, self._model)
        except NotReady as error:
            self._mend_networks()
            raise InvalidRequest(error.message) from error
        weights = [
            weight for layers in networks.values() for each in layers.values() for weight in each.tensors
        ]
        if not all(bool(weight.isfinite().all()) for weight in weights):
            raise InvalidRequest(f"the LoRA {file.name} cannot be used: its weights are not all finite")
        on_device = {
            name: {layer: within_memory(partial(each.to, self._device)) for layer, each in layers.items()}
            for name, layers in networks.items()
        }
        return LoraWeights(on_device, sum(weight.nbytes for weight in weights))

    def _changes(self, name: str, config: LoraConfig, tensors: Tensors, file: Path) -> dict[str, LayerChange]:
        network = self._networks[name]
        try:
            changes = layer_changes(network, config, tensors)
        except NoPlainLora as error:
            why = f"its change of {error.layer} is not a plain LoRA"
            raise ModelUnusable(f"the LoRA {file.name} cannot be used: {why}") from error
        for layer in changes:
            if network.get_submodule(layer).weight.shape != self._shapes[name][layer]:
                raise ModelUnusable(f"the LoRA {file.name} cannot be used: it makes {layer} larger")
        return changes

    def _mend_networks(self) -> None:
        """Rebuild the networks that diffusers has made larger for a LoRA that was then refused."""
        for name, network in self._networks.items():
            if _shapes(network) != self._shapes[name]:
                self._networks[name] = _without_weights(type(network), self._configs[name], network.dtype)


def _noting(network: Any, note: Note) -> Any:
    """Return a copy of the network that passes its LoRA to `note` instead of changing itself."""

    def load_lora_adapter(
        tensors: Tensors,
        prefix: str = "transformer",
        network_alphas: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Note the LoRA that diffusers loads into one of its own networks."""
        own = _within(prefix, tensors)
        if not own:
            return
        if "lora_A" not in next(iter(own)):
            own = convert_unet_state_dict_to_peft(own)
        if network_alphas and metadata:
            raise ValueError("it has both alphas and metadata")
        ranks = {
            f"^{name}": value.shape[1] for name, value in own.items() if "lora_B" in name and value.ndim > 1
        }
        alphas = None if network_alphas is None else _within(prefix, network_alphas)
        config = _create_lora_config(own, alphas, metadata and _within(prefix, metadata), ranks)
        load_adapter(None, own, config)

    def load_adapter(
        adapter_name: str | None, adapter_state_dict: Tensors, peft_config: LoraConfig, **_: Any
    ) -> None:
        """Note the LoRA that diffusers loads into a network of transformers."""
        note(peft_config, adapter_state_dict)
        noting.peft_config = {ADAPTER: peft_config}

    noting = copy.copy(network)
    noting.load_lora_adapter, noting.load_adapter = load_lora_adapter, load_adapter
    return noting


def _within(prefix: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of one network, without its prefix in their names."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in given.items() if name.startswith(start)}


def _without_weights(kind: Any, config: Any, dtype: torch.dtype) -> Any:
    """Build a network in which each weight is a single zero, expanded to the weight's shape."""
    with torch.device("meta"):
        made = kind.from_config(config) if issubclass(kind, diffusers.ModelMixin) else kind(config)
    for module in made.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            zero = torch.zeros((), dtype=dtype).expand(weight.shape)
            setattr(module, name, torch.nn.Parameter(zero, requires_grad=False))
        for name, values in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.zeros((), dtype=values.dtype).expand(values.shape))
    return made


def _shapes(network: torch.nn.Module) -> dict[str, torch.Size]:
    return {
        name: layer.weight.shape
        for name, layer in network.named_modules()
        if isinstance(getattr(layer, "weight", None), torch.Tensor)
    }
