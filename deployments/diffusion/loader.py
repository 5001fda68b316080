"""A model's files → a pipeline on its device; and back to nothing."""

from __future__ import annotations

import gc
import logging
import os
import re
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from deployments.diffusion.config import LoraConfig, ModelConfig
from deployments.diffusion.memory import fit
from deployments.diffusion.model_files import (
    PICKLE_SUFFIXES,
    check_model_files,
    lora_file,
    single_file_pipeline,
)
from deployments.diffusion.registry import describe, locate
from deployments.errors import NotReady

log = logging.getLogger(__name__)
# diffusers claims to be typed and is not: its objects are Any here.
Pipeline = Any
library: Any = diffusers

FROZEN_BYTES = 256 << 20
"""A UNet of no more has its weights laid out for oneDNN once, not in each forward: for one guided picture
a fifth less time in bfloat16, a twentieth in float32. Each of some five graphs holds them once more."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
SAFELY = {"use_safetensors": True, "trust_remote_code": False}
# Stable Diffusion XL never had the checker, and its class warns of arguments that it does not know.
CLASS_ARGUMENTS: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {"safety_checker": None, "requires_safety_checker": False},
    "StableDiffusionXLPipeline": {},
}


def load(config: ModelConfig) -> Pipeline:
    """The model on its device, ready to paint. Raises NotReady with a short reason; the log has the rest."""
    name = describe(config.source).id
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    for package in (library, transformers):
        package.utils.logging.disable_progress_bar()
    try:
        device = _device(config)
        pipeline = _read(config.source, name, _dtype(config, device))
        _lay_over(pipeline, config.lora)
        for convolutional in (pipeline.unet, pipeline.vae):
            convolutional.to(memory_format=torch.channels_last)
        fit(pipeline, config, device)
        if config.compile:
            compile_unet(pipeline, device)
    except NotReady:
        raise
    except Exception as error:
        log.exception("loading %s failed", config.source)
        raise NotReady(f"the model {name} could not be loaded: {reason(error)}") from error
    return pipeline


def compile_unet(pipeline: Pipeline, device: str) -> None:
    """At its next forward of each row count and size, which takes minutes then."""
    weights = sum(each.nbytes for each in pipeline.unet.parameters())
    options = {"freezing": True} if device == "cpu" and weights <= FROZEN_BYTES else None
    # One graph for each: the default limit of 8 is too few.
    pipeline.unet.compile(dynamic=False, recompile_limit=64, options=options)


def unload(pipeline: Pipeline) -> None:
    """Gives the memory back, whoever still holds the pipeline object; it cannot paint afterwards."""
    pipeline.remove_all_hooks()
    for component in list(pipeline.components):
        setattr(pipeline, component, None)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def offline() -> bool:
    """Whether the hub is not to be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


def reason(error: Exception) -> str:
    """Why something could not be loaded, in a few words."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return "there is not enough memory for it"
    if isinstance(error, OSError):
        return "a file of it is missing, cannot be read or cannot be fetched"
    return "its files do not fit together"


def _device(config: ModelConfig) -> str:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise NotReady("the model is set to run on a GPU and there is none: set device to auto or cpu")
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return config.device


def _dtype(config: ModelConfig, device: str) -> torch.dtype:
    if config.dtype == "float16" and device == "cpu":
        raise NotReady("float16 is far too slow on a CPU: set dtype to auto or float32, or give it a GPU")
    if config.dtype == "bfloat16" and device == "cpu" and not _cpu_has_bfloat16():
        raise NotReady("this CPU has no bfloat16 of its own, which makes it slow: set dtype to float32")
    if config.dtype == "auto":
        return torch.float16 if device == "cuda" else torch.float32
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[config.dtype]


def _cpu_has_bfloat16() -> bool:
    """By the names of x86's and ARM's instructions."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def _read(source: str, name: str, dtype: torch.dtype) -> Pipeline:
    place = locate(source)
    if place is None:
        if not HUB_ID.fullmatch(source) or source.endswith((".safetensors", *PICKLE_SUFFIXES)):
            raise NotReady(f"the model {Path(source).name} is neither here nor the id of one on the hub")
        pipeline_class = describe(source).pipeline
        if pipeline_class == "unknown":
            pipeline_class = library.DiffusionPipeline.load_config(name, local_files_only=offline())[
                "_class_name"
            ]
        return _from_pretrained(name, pipeline_class, name, dtype, offline())
    if not place.is_file():
        check_model_files(place)
        return _from_pretrained(str(place), describe(source).pipeline, name, dtype, local_files_only=True)
    pipeline_class = single_file_pipeline(place)
    # A checkpoint has no configuration: a folder of its name beside it gives one, else the hub does.
    beside = place.with_suffix("")
    return getattr(library, pipeline_class).from_single_file(
        str(place),
        dtype=dtype,
        config=str(beside) if beside.is_dir() else None,
        local_files_only=offline(),
        **CLASS_ARGUMENTS[pipeline_class],
    )


def _from_pretrained(
    where: str, kind: str, name: str, dtype: torch.dtype, local_files_only: bool
) -> Pipeline:
    if kind not in CLASS_ARGUMENTS:
        raise NotReady(f"the model {name} is not a text-to-image Stable Diffusion 1, 2 or XL")
    return library.DiffusionPipeline.from_pretrained(
        where,
        dtype=dtype,
        local_files_only=local_files_only,
        **SAFELY,
        **CLASS_ARGUMENTS[kind],
    )


def _lay_over(pipeline: Pipeline, loras: tuple[LoraConfig, ...]) -> None:
    names = [f"lora_{position}" for position, _ in enumerate(loras)]
    for adapter, lora in zip(names, loras, strict=True):
        file = lora_file(lora.source)
        pipeline.load_lora_weights(
            str(file.parent),
            weight_name=file.name,
            adapter_name=adapter,
            use_safetensors=True,
            local_files_only=True,
        )
    if loras:
        pipeline.set_adapters(names, adapter_weights=[lora.scale for lora in loras])
