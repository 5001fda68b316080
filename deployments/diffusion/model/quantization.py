"""Make the configurations with which diffusers and transformers load networks in fewer bits."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import diffusers
from diffusers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING as of_diffusers
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING as of_transformers

from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.model_config import QuantizationConfig
from deployments.errors import ModelUnusable

library: Any = diffusers
PACKAGES = {
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "gguf": "gguf",
    "torchao": "torchao",
}
"""The Python package of each backend."""
IMPLIED = {"bitsandbytes_4bit": {"load_in_4bit": True}, "bitsandbytes_8bit": {"load_in_8bit": True}}
"""The arguments that a backend's configuration needs besides its name."""


class Quantization:
    """The configured quantization, part by part."""

    def __init__(self, config: QuantizationConfig, denoiser: str) -> None:
        """Check the configuration. Raises ModelUnusable if it cannot be used."""
        backend = "bitsandbytes_4bit" if config.backend == "bitsandbytes" else config.backend
        package = PACKAGES[backend]
        if not _is_installed(package):
            raise ModelUnusable(
                f"quantization with {backend} needs the Python package {package}, which is not installed"
            )
        if backend == "gguf":
            raise ModelUnusable(
                "GGUF files are not supported, since their layout differs from that of a model's folder: "
                "quantize the folder with torchao or bitsandbytes"
            )
        self._backend = backend
        self._options = IMPLIED.get(backend, {}) | _options(config)
        self.components = frozenset(config.components or (denoiser,))
        self.of(min(self.components), by_diffusers=True)  # Report wrong options before anything is fetched.

    def of(self, part: str, by_diffusers: bool) -> Any:
        """Return the configuration for a network, None if it is not quantized.

        Each of the two libraries has its own class with its own arguments, so each network gets its
        library's.
        """
        if part not in self.components:
            return None
        kinds = of_diffusers if by_diffusers else of_transformers
        with blamed(f"quantization with {self._backend}"):
            own = kinds[self._backend](**self._options)
            return library.PipelineQuantizationConfig(quant_mapping={part: own}).quant_mapping[part]


def _options(config: QuantizationConfig) -> dict[str, Any]:
    """Return a backend's arguments. torchao takes an object, which the options name by its class."""
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
    except ModuleNotFoundError:  # The name is of a module in a package that is not installed.
        return False
