"""A model's files → a pipeline on its device; and back to nothing."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from deployments.diffusion.config import ModelConfig
from deployments.diffusion.memory import fit
from deployments.diffusion.model.adapters import lay_over
from deployments.diffusion.model.folder import load_folder
from deployments.diffusion.model.hub import HUB_ID, fetch_index, fetch_model
from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.sampler import check_sampler
from deployments.diffusion.model.single_file import load_single_file
from deployments.diffusion.model_files import PICKLE_SUFFIXES, read_index
from deployments.diffusion.registry import describe, locate
from deployments.errors import ModelUnusable, NotReady

log = logging.getLogger(__name__)
# diffusers claims to be typed and is not: its objects are Any here.
Pipeline = Any
library: Any = diffusers

FROZEN_BYTES = 256 << 20
"""A UNet of no more has its weights laid out for oneDNN once, not in each forward: for one guided picture
a fifth less time in bfloat16, a twentieth in float32. Each of some five graphs holds them once more."""
# Stable Diffusion XL never had the checker, and its class warns of arguments that it does not know.
CLASS_ARGUMENTS: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {"requires_safety_checker": False},
    "StableDiffusionXLPipeline": {},
}


def load(config: ModelConfig) -> Pipeline:
    """Load the model onto its device, ready to paint.

    Raises NotReady, or ModelUnusable where no second try would help, with the part, the file and the reason.
    """
    name = describe(config.source).id
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    for package in (library, transformers):
        package.utils.logging.disable_progress_bar()
    with blamed(f"the model {name}"):
        device = _device(config)
        precision = _precision(config, device)
        pipeline = _read(config.source, name, precision)
        check_sampler(pipeline.scheduler, name)
        lay_over(pipeline, config.lora, name)
        for convolutional in (pipeline.unet, pipeline.vae):
            convolutional.to(memory_format=torch.channels_last)
        fit(pipeline, config, device)
        if config.compile:
            compile_unet(pipeline, device)
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


def _device(config: ModelConfig) -> str:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ModelUnusable("the model is set to run on a GPU and there is none: set device to auto or cpu")
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return config.device


def _precision(config: ModelConfig, device: str) -> str:
    """The name of a dtype of torch."""
    if config.dtype == "float16" and device == "cpu":
        raise ModelUnusable(
            "float16 is far too slow on a CPU: set dtype to auto or float32, or give it a GPU"
        )
    if config.dtype == "bfloat16" and device == "cpu" and not _cpu_has_bfloat16():
        raise ModelUnusable("this CPU has no bfloat16 of its own, which makes it slow: set dtype to float32")
    if config.dtype == "auto":
        return "float16" if device == "cuda" else "float32"
    return config.dtype


def _cpu_has_bfloat16() -> bool:
    """By the names of x86's and ARM's instructions."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def _read(source: str, name: str, precision: str) -> Pipeline:
    dtype = getattr(torch, precision)
    place = locate(source)
    if place is not None and place.is_file():
        return load_single_file(place, dtype, CLASS_ARGUMENTS)
    if place is not None:
        folder, shown = place, place.resolve().name
        kind = _text_to_image(folder, shown, name)
    else:
        if not HUB_ID.fullmatch(source) or source.endswith((".safetensors", *PICKLE_SUFFIXES)):
            raise NotReady(f"the model {Path(source).name} is neither here nor the id of one on the hub")
        folder, shown = fetch_index(name), name
        kind = _text_to_image(folder, shown, name)
        fetch_model(folder, name, precision)
    return load_folder(folder, shown, dtype, precision, **CLASS_ARGUMENTS[kind])


def _text_to_image(folder: Path, shown: str, name: str) -> str:
    """The class of the pipeline, where it is one that paints from text."""
    kind = str(read_index(folder, shown)["_class_name"])
    if kind not in CLASS_ARGUMENTS:
        raise ModelUnusable(
            f"the model {name} is not a text-to-image Stable Diffusion 1, 2 or XL: it is a {kind}"
        )
    return kind
