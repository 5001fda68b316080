"""What a generator replica loads and how it runs it; fixed when the replica starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LoraConfig:
    """A LoRA file or folder (safetensors) laid over the model at `scale`."""

    __pydantic_config__ = {"extra": "forbid"}

    source: str
    scale: float = 1.0


@dataclass(frozen=True)
class ModelConfig:
    """A model and the means by which it fits its device.

    `source` is a diffusers folder, a single .safetensors file, or a hub id, in that order of recognition.
    `device` and `dtype` "auto" mean CUDA in half precision where there is a GPU, else the CPU in single.
    """

    __pydantic_config__ = {"extra": "forbid"}

    source: str
    lora: tuple[LoraConfig, ...] = ()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    xformers: bool = False
    attention_slicing: bool = False
    vae_slicing: bool = True
    cpu_offload: bool = False
    lazy_load: bool = False
    unload_after_idle_s: float | None = None
    threads: int | None = None


@dataclass(frozen=True)
class GenerationConfig:
    """What a layer gets where the request is silent, and how often a bad picture is tried again."""

    __pydantic_config__ = {"extra": "forbid"}

    max_attempts: int = 3
    reduced_steps: int = 15
    reduced_guidance_scale: float = 6.0
    warm_up_steps: int = 2
