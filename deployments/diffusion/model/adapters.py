"""Lay LoRAs over a loaded model, and name the file that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.diffusion.model.load_errors import blamed, mismatch
from deployments.diffusion.model.lora_files import form_fault, is_lora
from deployments.diffusion.model.model_config import LoraConfig
from deployments.diffusion.model.model_files import check_single_file
from deployments.diffusion.model.safetensors_header import Header
from deployments.errors import ModelUnusable, NotReady

Pipeline = Any
XL_ONLY = ("lora_te2_", "text_encoder_2.", "lora_unet_input_blocks_", "lora_unet_output_blocks_")
FAMILIES = {True: "Stable Diffusion XL", False: "Stable Diffusion 1 or 2"}


def lora_file(source: str) -> Path:
    """Return the LoRA's one file: `source` itself, or the only one in that folder.

    Raises NotReady or ModelUnusable.
    """
    path = Path(source).expanduser()
    with blamed(f"the LoRA {path.name}"):
        files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
        if len(files) > 1:
            raise ModelUnusable(
                f"the LoRA {path.name} is a folder with more than one .safetensors file: name one"
            )
        if not files or not files[0].exists():
            raise NotReady(f"the LoRA {path.name} is not a .safetensors file or a folder with exactly one")
    if not is_lora(check_single_file(files[0])):
        raise ModelUnusable(f"{files[0].name} is not a LoRA")
    return files[0]


def lay_over(pipeline: Pipeline, loras: tuple[LoraConfig, ...], model: str) -> None:
    """Lay each LoRA over the pipeline at its scale. Raises NotReady or ModelUnusable, naming the file."""
    names = [f"lora_{position}" for position, _ in enumerate(loras)]
    for adapter, lora in zip(names, loras, strict=True):
        lay_one(pipeline, adapter, lora_file(lora.source), model)
    if loras:
        with blamed("the scales of the LoRAs"):
            pipeline.set_adapters(names, adapter_weights=[lora.scale for lora in loras])


def lay_one(pipeline: Pipeline, adapter: str, file: Path, model: str, **options: Any) -> None:
    """Lay a LoRA over the pipeline. `options` are for its load_lora_weights. Raises ModelUnusable."""
    if not hasattr(pipeline, "load_lora_weights"):
        raise ModelUnusable(
            f"the LoRA {file.name} cannot be used: the family of {model} does not support LoRAs"
        )
    header = check_single_file(file)
    if fault := form_fault(header, hasattr(pipeline, "unet")):
        raise ModelUnusable(f"the LoRA {file.name} cannot be used: {fault}")
    _check_family(header, file.name, pipeline, model)
    _load(pipeline, adapter, file, model, options)


def _load(pipeline: Pipeline, adapter: str, file: Path, model: str, options: Mapping[str, Any]) -> None:
    with blamed(f"the LoRA {file.name}"):
        try:
            pipeline.load_lora_weights(
                str(file.parent),
                weight_name=file.name,
                adapter_name=adapter,
                use_safetensors=True,
                local_files_only=True,
                **options,
            )
        except (RuntimeError, ValueError, KeyError) as error:
            if "PEFT backend" in str(error):
                raise
            raise _misfit(error, file, pipeline, model) from error
        laid = {name for names in pipeline.get_list_adapters().values() for name in names}
        if adapter not in laid:  # diffusers skips weights that fit no layer, with a warning.
            raise _misfit(None, file, pipeline, model)


def _check_family(header: Header, shown: str, pipeline: Pipeline, model: str) -> None:
    """Refuse an XL LoRA for another model, by the names of XL's second text encoder and UNet blocks."""
    if not _is_xl(pipeline) and any(name.startswith(XL_ONLY) for name in header.names):
        raise ModelUnusable(f"the LoRA {shown} does not fit {model}: it is for {FAMILIES[True]}")


def _is_xl(pipeline: Pipeline) -> bool:
    return hasattr(pipeline, "unet") and hasattr(pipeline, "text_encoder_2")


def _misfit(error: Exception | None, file: Path, pipeline: Pipeline, model: str) -> ModelUnusable:
    """Explain why the LoRA does not fit the model: by the base model in its metadata, else by the error."""
    for_xl = _for_xl(check_single_file(file))
    if for_xl is not None and for_xl != _is_xl(pipeline):
        return ModelUnusable(f"the LoRA {file.name} does not fit {model}: it is for {FAMILIES[for_xl]}")
    if error is None or "not found in the base model" in str(error):
        why = "it changes no layer of the model"
    else:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        why = mismatch(error) or " ".join(lines[: 2 if lines[0].endswith(":") else 1])[:200]
    return ModelUnusable(f"the LoRA {file.name} does not fit {model}: {why}")


def _for_xl(header: Header) -> bool | None:
    """Return whether the metadata says that the LoRA is for Stable Diffusion XL; None if it does not say."""
    metadata = " ".join(
        header.metadata.get(key, "") for key in ("ss_base_model_version", "modelspec.architecture")
    )
    if "xl" in metadata.lower():
        return True
    return False if "sd_v" in metadata.lower() or "stable-diffusion-v" in metadata.lower() else None
