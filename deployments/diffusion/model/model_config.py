"""Configure what a generator replica loads and how it runs it; fixed when the replica starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from deployments.bounds import (
    Bytes,
    BytesOrNone,
    Count,
    CountOrNone,
    Guidance,
    Rows,
    Seconds,
    SecondsOrNone,
    Steps,
)
from deployments.diffusion.model.families import family_named

Precision = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True)
class LoraConfig:
    """A LoRA file or folder (safetensors) laid over the model at `scale`."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    source: str
    scale: Annotated[float, Field(ge=-10, le=10)] = 1.0


@dataclass(frozen=True)
class IpAdapterConfig:
    """An IP-Adapter, which guides painting by reference pictures (Ye et al. 2023, arXiv 2308.06721).

    `source` is its .safetensors file, or a file on the hub such as
    `h94/IP-Adapter/models/ip-adapter_sd15.safetensors`. `image_encoder` is the folder of the CLIP vision
    model that it was trained with, or one on the hub such as `h94/IP-Adapter/models/image_encoder`.
    `cached_pictures` is how many pictures' embeddings are kept.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    source: str
    image_encoder: str
    cached_pictures: Count = 64


@dataclass(frozen=True)
class QuantizationConfig:
    """Settings that keep networks in fewer bits, by diffusers' PipelineQuantizationConfig.

    `backend` is diffusers' name for the method, whose Python package must be installed. Plain `bitsandbytes`
    means 4 bits. `options` are the arguments of its configuration class. `components` are the networks to
    quantize, by default the denoiser alone.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    backend: Literal["bitsandbytes", "bitsandbytes_4bit", "bitsandbytes_8bit", "gguf", "torchao"]
    options: dict[str, Any] = field(default_factory=dict)
    components: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelConfig:
    """A model, and the settings by which it fits its device and paints.

    `source` is a diffusers folder, a single .safetensors file, or a hub id, tried in that order. `family`
    follows from the model's folder or from a known id. Name it for any other hub id, and for a folder that
    leaves it open (docs/models.md).

    `device` and `dtype` "auto" mean CUDA in half precision if there is a GPU, else the CPU in single
    precision. `component_dtypes` gives parts of the model another precision, as in `{vae: float32}`.
    `offload` moves parts of the model to the GPU when they are needed: `model` one network at a time,
    `sequential` one layer at a time, which needs the least memory and takes the longest. `vae_slicing`
    decodes one picture at a time, `vae_tiling` one tile of a picture at a time. `lazy_load` frees the memory
    after the warm-up picture, which every replica paints before it counts as ready, and loads the model again
    at the first job. `unload_after_idle_s` unloads it after that long without a job.

    `exact` fills every forward up to `exact_rows`, so that a picture is bitwise the same whatever its peers
    are. `compile` compiles the denoiser for each row count before the replica is ready, which takes minutes
    and is worth it on a GPU. With `auto`, which needs `device: cpu`, a background process compiles, and each
    compiled forward is used from the next step on. `prompt_cache` is the number of encoded prompts kept.
    `painter`: `pipeline` runs any diffusers pipeline unmodified, also for image to image and inpainting, and
    `denoiser` paints Stable Diffusion 1, 2 and XL from words alone. `auto` chooses the pipeline.

    `preview_vae` is a small VAE to draw previews with, a folder or a hub id of diffusers' AutoencoderTiny
    (`madebyollin/taesd`, or for XL `madebyollin/taesdxl`). If none is named, previews are drawn with the one
    in the subfolder `preview_vae` of the model's folder, else with a linear map. `ip_adapter` guides painting
    by reference pictures, for Stable Diffusion 1, 2 and XL. `pose_controlnet` is a ControlNet for poses as
    OpenPose draws them, for the same families, a folder or a hub id
    (`lllyasviel/control_v11p_sd15_openpose`).

    `lora` is laid over the model for all pictures. `lora_folder` has .safetensors files that a request may
    name for its picture alone. The last used ones stay on the device, up to `lora_budget_bytes`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    source: str
    family: str | None = None
    lora: tuple[LoraConfig, ...] = ()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    component_dtypes: dict[str, Precision] = field(default_factory=dict)
    xformers: bool = False
    attention_slicing: bool = False
    vae_slicing: bool = True
    vae_tiling: bool = False
    offload: Literal["none", "model", "sequential"] = "none"
    quantization: QuantizationConfig | None = None
    lazy_load: bool = False
    unload_after_idle_s: Seconds | None = None
    threads: Annotated[int, Field(ge=1, le=4_096)] | None = None
    exact: bool = False
    exact_rows: Rows = 8
    compile: bool | Literal["auto"] = False
    prompt_cache: CountOrNone = 64
    painter: Literal["auto", "denoiser", "pipeline"] = "auto"
    preview_vae: str | None = None
    ip_adapter: IpAdapterConfig | None = None
    pose_controlnet: str | None = None
    lora_folder: Annotated[str, Field(min_length=1)] | None = None
    lora_budget_bytes: Bytes = 1 << 30

    def __post_init__(self) -> None:
        for key in ("ip_adapter", "pose_controlnet"):
            if getattr(self, key) is not None and self.painter == "denoiser":
                raise ValueError(f"{key} works only with the pipeline painter: set painter to auto")
        if self.ip_adapter is not None and self.offload == "sequential":
            raise ValueError("an ip_adapter cannot be offloaded layer by layer: set offload to model")
        if self.ip_adapter is not None and self.compile:
            raise ValueError("an ip_adapter cannot be compiled: set compile to false")
        for key, used, why in (
            ("painter: denoiser", self.painter == "denoiser", "only the pipeline painter supports it"),
            (
                f"device: {self.device}",
                self.device != "cpu",
                "it keeps the model in memory twice, which was not measured on any GPU: set device to cpu",
            ),
            ("exact", self.exact, "pictures would differ before and after compilation"),
            (f"offload: {self.offload}", self.offload != "none", "a compiled forward holds all weights"),
            ("quantization", self.quantization is not None, "a quantized network cannot be exported"),
            ("lazy_load", self.lazy_load, "it would be compiled again after each load"),
            (
                "unload_after_idle_s",
                self.unload_after_idle_s is not None,
                "it would be compiled again after each load",
            ),
        ):
            if self.compile == "auto" and used:
                raise ValueError(f"compile: auto cannot be used with {key}: {why}")
        if self.family is not None:
            family_named(self.family)
        if self.exact_rows < 2:
            raise ValueError("exact_rows must be at least 2: a guided picture has two rows")
        for other, used, why in (
            ("painter: denoiser", self.painter == "denoiser", "only the pipeline painter supports LoRAs"),
            (
                f"compile: {str(self.compile).lower()}",
                bool(self.compile),
                "compiling for each new LoRA would take minutes",
            ),
            ("quantization", self.quantization is not None, "LoRAs need networks that are not quantized"),
        ):
            if self.lora_folder is not None and used:
                raise ValueError(f"lora_folder cannot be used with {other}: {why}")


@dataclass(frozen=True)
class GenerationConfig:
    """Settings for how jobs share a model, and what becomes of a bad picture.

    At the start forwards of up to `max_rows` rows are tried, within `calibration_s`, to find how many pay. A
    job may take `stretch` times as long as alone before it goes first
    (deployments/diffusion/scheduling/scheduler.py). Beyond `max_jobs` at once, jobs are refused. A step
    longer than `wedged_after_s` makes a replica unhealthy. A bad picture is retried, up to `max_attempts` in
    all. One that the device has no room for is reduced. Finished layers are kept for equal jobs while they
    fit in `result_cache_bytes`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    reduced_steps: Steps = 15
    reduced_guidance_scale: Guidance = 6.0
    warm_up_steps: Steps = 2
    max_rows: Rows = 16
    calibration_s: SecondsOrNone = 2.0
    stretch: Annotated[float, Field(ge=1, le=1_000_000)] = 8.0
    max_jobs: Count = 64
    wedged_after_s: Seconds = 120.0
    result_cache_bytes: BytesOrNone = 64 << 20
