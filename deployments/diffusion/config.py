"""What a generator replica loads and how it runs it; fixed when the replica starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class LoraConfig:
    """A LoRA file or folder (safetensors) laid over the model at `scale`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    source: str
    scale: float = 1.0


@dataclass(frozen=True)
class ModelConfig:
    """A model and the means by which it fits its device.

    `source` is a diffusers folder, a single .safetensors file, or a hub id, in that order of recognition.
    `device` and `dtype` "auto" mean CUDA in half precision where there is a GPU, else the CPU in single.
    `lazy_load` gives the memory back after the warm-up picture, without which no replica counts as ready, and
    loads the model again at the first job. `unload_after_idle_s` gives it back when no job came for so long.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

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
    """How often a bad picture is tried again, and what is left of one that the device has no room for."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_attempts: int = 3
    reduced_steps: int = 15
    reduced_guidance_scale: float = 6.0
    warm_up_steps: int = 2
