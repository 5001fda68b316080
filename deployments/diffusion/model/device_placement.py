"""Put a loaded pipeline on its device, with the memory savings that are configured."""

from __future__ import annotations

import logging
from typing import Any

from deployments.diffusion.model.model_config import ModelConfig

log = logging.getLogger(__name__)


def fit(pipeline: Any, config: ModelConfig, device: str) -> None:
    pipeline.set_progress_bar_config(disable=True)
    if config.attention_slicing:
        pipeline.enable_attention_slicing()  # Only for the families whose networks support it.
    if config.xformers:  # After slicing: each replaces the attention processors, so the last one wins.
        _try_xformers(pipeline)
    # Every VAE has the methods, but they raise if it lacks the attribute.
    if config.vae_slicing and hasattr(pipeline.vae, "use_slicing"):
        pipeline.vae.enable_slicing()
    if config.vae_tiling and hasattr(pipeline.vae, "use_tiling"):
        pipeline.vae.enable_tiling()
    if config.offload == "none" or device != "cuda":
        if config.offload != "none":
            log.warning("offload does nothing on a CPU: the model is there already")
        pipeline.to(device)
    elif config.offload == "model":
        pipeline.enable_model_cpu_offload()
    else:
        pipeline.enable_sequential_cpu_offload()


def _try_xformers(pipeline: Any) -> None:
    try:
        pipeline.enable_xformers_memory_efficient_attention()
    except Exception as error:  # Absent, for another torch, no GPU, an odd head size: all handled alike.
        reason = str(error).partition("\n")[0]
        log.warning("xformers cannot be used (%s): attention runs on PyTorch's own instead", reason)
