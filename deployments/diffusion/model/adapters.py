"""Lay LoRAs over a loaded model, and name the file that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.diffusion.model.load_errors import blamed, mismatch
from deployments.diffusion.model.model_config import LoraConfig
from deployments.diffusion.model.model_files import check_single_file
from deployments.diffusion.model.safetensors_header import Header
from deployments.errors import ModelUnusable, NotReady

Pipeline = Any
UNREAD_FORMS: Mapping[str, str] = {
    ".hada_w": "a LoHa (LyCORIS)",
    ".lokr_": "a LoKr (LyCORIS)",
    ".oft_": "an OFT network",
    ".lora_mid.": "a LoCon in Tucker's form (LyCORIS)",
    ".dora_scale": "a DoRA",
    "bundle_emb.": "a LoRA with embeddings bundled in",
}
"""Adapters that the loader of diffusers does not read, or reads in part, by a piece of its tensors' names."""
OTHER_FAMILIES: Mapping[str, str] = {
    "transformer.": "a model with a transformer, such as Flux or Stable Diffusion 3",
    "lora_transformer_": "a model with a transformer, such as Flux or Stable Diffusion 3",
    "lora_unet_double_blocks_": "Flux",
    "lora_unet_single_blocks_": "Flux",
    "lora_unet_joint_blocks_": "Stable Diffusion 3",
    "diffusion_model.": "a model that is no Stable Diffusion 1, 2 or XL",
    "lora_prior_": "Stable Cascade",
}
XL_ONLY = ("lora_te2_", "text_encoder_2.", "lora_unet_input_blocks_", "lora_unet_output_blocks_")
FAMILIES = {True: "Stable Diffusion XL", False: "Stable Diffusion 1 or 2"}
HALVES = (".lora_down.weight", ".lora_up.weight")
LORA_PIECES = ("lora", "hada_w", "lokr_", "oft_")


def lora_file(source: str) -> Path:
    """Return the LoRA's one file, `source` itself or alone in its folder.

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
    names = check_single_file(files[0]).names
    if not any(piece in name.lower() for name in names for piece in LORA_PIECES):
        raise ModelUnusable(f"{files[0].name} is not a LoRA")
    return files[0]


def lay_over(pipeline: Pipeline, loras: tuple[LoraConfig, ...], model: str) -> None:
    """Lay each LoRA over the pipeline at its scale. Raises NotReady or ModelUnusable, naming the file."""
    names = [f"lora_{position}" for position, _ in enumerate(loras)]
    for adapter, lora in zip(names, loras, strict=True):
        file = lora_file(lora.source)
        if not hasattr(pipeline, "load_lora_weights"):
            raise ModelUnusable(f"the LoRA {file.name} cannot be used: the family of {model} takes none")
        _check_form(check_single_file(file), file.name, pipeline)
        _check_family(check_single_file(file), file.name, pipeline, model)
        _lay_one(pipeline, adapter, file, model)
    if loras:
        with blamed("the scales of the LoRAs"):
            pipeline.set_adapters(names, adapter_weights=[lora.scale for lora in loras])


def _check_form(header: Header, shown: str, pipeline: Pipeline) -> None:
    for piece, form in UNREAD_FORMS.items():
        if any(piece in name for name in header.names):
            raise ModelUnusable(f"the LoRA {shown} cannot be used: it is {form}")
    for prefix, family in OTHER_FAMILIES.items() if hasattr(pipeline, "unet") else ():
        if any(name.startswith(prefix) for name in header.names):
            raise ModelUnusable(f"the LoRA {shown} cannot be used: it is for {family}")
    for name in sorted(header.names):
        for half, other in (HALVES, HALVES[::-1]):
            if name.endswith(half) and (partner := name.removesuffix(half) + other) not in header:
                raise ModelUnusable(f"the LoRA {shown} cannot be used: its weight {partner} is missing")


def _lay_one(pipeline: Pipeline, adapter: str, file: Path, model: str) -> None:
    with blamed(f"the LoRA {file.name}"):
        try:
            pipeline.load_lora_weights(
                str(file.parent),
                weight_name=file.name,
                adapter_name=adapter,
                use_safetensors=True,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, KeyError) as error:
            if "PEFT backend" in str(error):
                raise
            raise _misfit(error, file, pipeline, model) from error
        laid = {name for names in pipeline.get_list_adapters().values() for name in names}
        if adapter not in laid:  # diffusers leaves out what it has no place for, with a warning.
            raise _misfit(None, file, pipeline, model)


def _check_family(header: Header, shown: str, pipeline: Pipeline, model: str) -> None:
    """Look for the names of XL's second text encoder, and of its UNet's blocks as trainers write them."""
    if not _is_xl(pipeline) and any(name.startswith(XL_ONLY) for name in header.names):
        raise ModelUnusable(f"the LoRA {shown} does not fit {model}: it is for {FAMILIES[True]}")


def _is_xl(pipeline: Pipeline) -> bool:
    return hasattr(pipeline, "unet") and hasattr(pipeline, "text_encoder_2")


def _misfit(error: Exception | None, file: Path, pipeline: Pipeline, model: str) -> ModelUnusable:
    """Say why the LoRA does not fit the model: by what it says of its own model, else by the first weight."""
    for_xl = _for_xl(check_single_file(file))
    if for_xl is not None and for_xl != _is_xl(pipeline):
        return ModelUnusable(f"the LoRA {file.name} does not fit {model}: it is for {FAMILIES[for_xl]}")
    if error is None or "not found in the base model" in str(error):
        why = "it changes no layer that the model has"
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
