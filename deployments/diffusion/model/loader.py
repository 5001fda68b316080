"""Load a model's files as a pipeline on its device, and unload it again."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from deployments.diffusion.model.adapters import lay_over
from deployments.diffusion.model.device_placement import fit
from deployments.diffusion.model.families import (
    FAMILIES,
    PIPELINES,
    STABLE_DIFFUSION_PIPELINES,
    family_named,
    family_of,
)
from deployments.diffusion.model.family import Family
from deployments.diffusion.model.folder import Precisions, load_folder
from deployments.diffusion.model.hub import HUB_ID, fetch_index, fetch_model
from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.model_files import PICKLE_SUFFIXES, read_index
from deployments.diffusion.model.quantization import Quantization
from deployments.diffusion.model.registry import (
    card_of,
    describe,
    locate,
)
from deployments.diffusion.model.sampler import check_sampler
from deployments.diffusion.model.single_file import load_single_file
from deployments.errors import ModelUnusable, NotReady

log = logging.getLogger(__name__)
# diffusers claims to be typed and is not: its objects are Any here.
Pipeline = Any
library: Any = diffusers

FROZEN_BYTES = 256 << 20
"""A UNet up to this size has its weights laid out for oneDNN once and not in each forward. For one guided
picture that saves a fifth of the time in bfloat16, a twentieth in float32. Each of some five graphs holds
another copy of the weights."""
# The others never had the checker, and their classes warn about arguments that they do not know.
WITH_A_CHECKER = ("StableDiffusionPipeline", "HunyuanDiTPipeline")
CLASS_ARGUMENTS: dict[str, dict[str, Any]] = {
    kind: {"requires_safety_checker": False} if kind in WITH_A_CHECKER else {} for kind in PIPELINES
}


def _replica_threads() -> int:
    """Return the threads that Ray sets by a replica's CPUs. In a forked replica torch has missed them."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() else 0


def load(config: ModelConfig) -> Pipeline:
    """Load the model onto its device, ready to paint.

    Raises NotReady, or ModelUnusable if a retry would not help, with the part, the file and the reason.
    """
    name = describe(config.source).id
    if threads := config.threads or _replica_threads():
        torch.set_num_threads(threads)
    for package in (library, transformers):
        package.utils.logging.disable_progress_bar()
    with blamed(f"the model {name}"):
        device = _device(config)
        pipeline = _read(config, name, device)
        kind = type(pipeline).__name__
        check_sampler(pipeline.scheduler, name, by_denoiser=kind in STABLE_DIFFUSION_PIPELINES)
        lay_over(pipeline, config.lora, name)
        if kind in STABLE_DIFFUSION_PIPELINES:
            for convolutional in (pipeline.unet, pipeline.vae):
                convolutional.to(memory_format=torch.channels_last)
        fit(pipeline, config, device)
        if config.compile is True:
            compile_denoiser(pipeline, device)
    return pipeline


def compile_denoiser(pipeline: Pipeline, device: str) -> None:
    """Compile at the next forward of each row count and size, which then takes minutes.

    Compile a transformer by its repeated blocks, since one graph serves them all. A UNet's blocks differ from
    each other, and its weights can be frozen as a whole.
    """
    name = family_of(type(pipeline).__name__).denoiser
    denoiser = getattr(pipeline, name)
    if name == "transformer" and getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks()
        return
    weights = sum(each.nbytes for each in denoiser.parameters())
    options = {"freezing": True} if device == "cpu" and weights <= FROZEN_BYTES else None
    # One graph for each row count and size, so the default limit of 8 is too low.
    denoiser.compile(dynamic=False, recompile_limit=64, options=options)


def unload(pipeline: Pipeline) -> None:
    """Free the memory, even if others still hold the pipeline object; it cannot paint afterwards."""
    pipeline.remove_all_hooks()
    for component in list(pipeline.components):
        setattr(pipeline, component, None)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _device(config: ModelConfig) -> str:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ModelUnusable("the model is configured for a GPU, but there is none: set device to auto or cpu")
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return config.device


def _precisions(config: ModelConfig, device: str, family: Family) -> Precisions:
    for wanted in (config.dtype, *config.component_dtypes.values()):
        _check_precision(wanted, device)
    whole = config.dtype
    if whole == "auto":
        whole = family.half if device == "cuda" else "float32"
    return Precisions(whole, config.component_dtypes)


def _check_precision(wanted: str, device: str) -> None:
    if wanted == "float16" and device == "cpu":
        raise ModelUnusable("float16 is far too slow on a CPU: set dtype to auto or float32, or use a GPU")
    if wanted == "bfloat16" and device == "cpu" and not _cpu_has_bfloat16():
        raise ModelUnusable("this CPU has no native bfloat16, which makes it slow: set dtype to float32")


def _cpu_has_bfloat16() -> bool:
    """Return whether the CPU has bfloat16 instructions, by their names on x86 and ARM."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def _read(config: ModelConfig, name: str, device: str) -> Pipeline:
    source, place = config.source, locate(config.source)
    if place is not None and place.is_file():
        return _read_file(config, place, device)
    if place is not None:
        folder, shown = place, place.resolve().name
        kind = _text_to_image(folder, shown, name)
    else:
        if not HUB_ID.fullmatch(source) or source.endswith((".safetensors", *PICKLE_SUFFIXES)):
            raise NotReady(f"the model {Path(source).name} is neither a local model nor one on the hub")
        folder, shown = fetch_index(name), name
        kind = _text_to_image(folder, shown, name)
    precisions = _precisions(config, device, family_of(kind))
    quantization = None
    if config.quantization is not None:
        quantization = Quantization(config.quantization, family_of(kind).denoiser)
    _check_family(config, folder, name)
    if place is None:
        fetch_model(folder, name, precisions.whole, precisions.apart)
    return load_folder(folder, shown, precisions, _to_dtype, quantization, **CLASS_ARGUMENTS[kind])


def _read_file(config: ModelConfig, file: Path, device: str) -> Pipeline:
    """Read a Stable Diffusion checkpoint.

    Raises ModelUnusable for settings that only a folder supports.
    """
    for key in ("component_dtypes", "quantization"):
        if getattr(config, key):
            raise ModelUnusable(f"{file.name} is a single file: {key} is for a model's folder")
    precisions = _precisions(config, device, family_of("StableDiffusionPipeline"))
    pipeline = load_single_file(file, _to_dtype(precisions.whole), CLASS_ARGUMENTS)
    kind, named = type(pipeline).__name__, config.family
    if named is not None and kind not in family_named(named).pipelines:
        raise ModelUnusable(f"the model {file.name} is not of the family {named}: it is a {kind}")
    return pipeline


def _to_dtype(precision: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, precision)
    return dtype


def _check_family(config: ModelConfig, folder: Path, name: str) -> None:
    """Raise ModelUnusable if requests would get the defaults of a family that is not the model's."""
    kind, assumed = str(read_index(folder, name)["_class_name"]), card_of(config).family
    if kind in assumed.pipelines:
        return
    found = " or ".join(family.name for family in FAMILIES if kind in family.pipelines)
    if config.family is not None:
        raise ModelUnusable(f"the model {name} is not of the family {config.family}: it is {found}")
    if kind not in STABLE_DIFFUSION_PIPELINES:
        raise ModelUnusable(f"the model {name} is a {kind}: set its family to {found} in the configuration")


def _text_to_image(folder: Path, shown: str, name: str) -> str:
    """Return the name of the pipeline's class. Raises ModelUnusable if it is of no served family."""
    kind = str(read_index(folder, shown)["_class_name"])
    if kind not in PIPELINES:
        raise ModelUnusable(
            f"the model {name} is not a text-to-image model of a supported family "
            f"(docs/models.md): it is a {kind}"
        )
    return kind
