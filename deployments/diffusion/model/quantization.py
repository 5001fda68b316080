"""Make the configurations by which diffusers and transformers load networks in fewer bits."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import diffusers

from deployments.diffusion.config import QuantizationConfig
from deployments.diffusion.model.load_errors import blamed
from deployments.errors import ModelUnusable

library: Any = diffusers
PACKAGES = {
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "quanto": "optimum.quanto",
    "torchao": "torchao",
}
"""The Python package of each backend."""
IMPLIED = {"bitsandbytes_4bit": {"load_in_4bit": True}, "bitsandbytes_8bit": {"load_in_8bit": True}}
"""What a backend's configuration needs to be told besides its name."""


class Quantization:
    """Tells, part by part, how a network is to be loaded."""

    def __init__(self, config: QuantizationConfig, denoiser: str) -> None:
        """Raises ModelUnusable in one sentence where the backend or its options cannot be used."""
        package = PACKAGES[config.backend]
        if not _is_installed(package):
            raise ModelUnusable(
                f"quantization by {config.backend} needs the Python package {package}, which is not installed"
            )
        with blamed(f"quantization by {config.backend}"):
            self._pipeline = library.PipelineQuantizationConfig(
                quant_backend=config.backend,
                quant_kwargs=IMPLIED.get(config.backend, {}) | _options(config),
                components_to_quantize=list(config.components or (denoiser,)),
            )
        self.components = frozenset(config.components or (denoiser,))

    def of(self, part: str, by_diffusers: bool) -> Any:
        """Return the configuration for a network; None for one that stays as it is."""
        with blamed(f"the quantization of {part}"):
            return self._pipeline._resolve_quant_config(is_diffusers=by_diffusers, module_name=part)


def _options(config: QuantizationConfig) -> dict[str, Any]:
    """Return a backend's arguments. torchao takes an object, which is named here by its class."""
    kind = config.options.get("quant_type")
    if config.backend != "torchao" or not isinstance(kind, str):
        return dict(config.options)
    made = getattr(importlib.import_module("torchao.quantization"), kind, None)
    if made is None:
        raise ModelUnusable(f"torchao has no quantization called {kind}")
    return config.options | {"quant_type": made()}


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # Of a part of a package that is not there.
        return False
