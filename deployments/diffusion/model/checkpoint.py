"""Read what a single-file checkpoint is: its pipeline, its shape, and the sampling that it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deployments.diffusion.model.safetensors_header import Header
from deployments.diffusion.model.text_to_image import LATENT_CHANNELS, check_channels
from deployments.errors import ModelUnusable

UNET = "model.diffusion_model."
VAE = "first_stage_model."
SD, XL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
OTHER_KINDS: Mapping[str, tuple[str, ...]] = {
    "a LoRA": (".lora_down.", ".lora_up.", ".lora_A.", ".lora_B.", ".hada_w1", ".lokr_w1"),
    "a Flux model": ("double_blocks.0.",),
    "a Stable Diffusion 3 model": ("joint_blocks.0.",),
    "a ControlNet": ("control_model.", "controlnet_cond_embedding."),
    "the refiner of Stable Diffusion XL": ("conditioner.embedders.0.model.",),
    "a UNet without its text encoder and VAE": (UNET, "down_blocks.0.", "add_embedding."),
    "a VAE alone": (VAE, "decoder.conv_in.", "decoder.up_blocks."),
    "a text encoder alone": ("text_model.", "text_projection"),
    "an embedding": ("emb_params", "string_to_param", "clip_l", "clip_g"),
}
"""Kinds of files that are no whole checkpoint, by a piece of their tensors' names. The first match counts."""

Prediction = Literal["epsilon", "v_prediction"]
PREDICTIONS: Mapping[str, Prediction] = {
    "eps": "epsilon",
    "epsilon": "epsilon",
    "epsprediction": "epsilon",
    "epsilonprediction": "epsilon",
    "noise": "epsilon",
    "v": "v_prediction",
    "vparam": "v_prediction",
    "vparameterization": "v_prediction",
    "vpred": "v_prediction",
    "vprediction": "v_prediction",
    "velocity": "v_prediction",
}
PREFIXES = ("modelspec.", "ss_")
"""Prefixes of Stability's ModelSpec (https://github.com/Stability-AI/ModelSpec) and sd-scripts of kohya."""
ARCHITECTURES: Mapping[str, Prediction] = {
    "stable-diffusion-v2-768-v": "v_prediction",
    "stable-diffusion-v2-512": "epsilon",
}
TRAINED_FROM: Mapping[str, Prediction] = {
    "sd_v1": "epsilon",
    "sd_v1_v": "v_prediction",
    "sd_v2": "epsilon",
    "sd_v2_v": "v_prediction",
}
"""Base models by sd-scripts' names for them, with the prediction that it goes on training each for."""
PREDICTION_KEYS = ("prediction_type", "parameterization", "parametrization")
"""The key of ModelSpec, and that of Stability's own training files in two spellings."""
V_KEYS = ("v_parameterization", "v_prediction", "v_pred", "vpred")
ZERO_SNR_KEYS = ("zero_terminal_snr", "ztsnr", "rescale_betas_zero_snr", "zsnr")


@dataclass(frozen=True)
class Sampling:
    """The training method that a checkpoint declares. `prediction` is None if it does not say.

    `edm`: it was trained with EDM's own noise.
    """

    prediction: Prediction | None = None
    zero_snr: bool = False
    edm: bool = False


def pipeline_class(header: Header, shown: str) -> str:
    """Name the pipeline class of a text-to-image checkpoint. Raises ModelUnusable for anything else."""
    names = header.names
    has_unet = any(name.startswith(UNET) for name in names)
    if any(name.startswith("conditioner.embedders.1.") for name in names):
        kind = XL
    elif any(name.startswith("cond_stage_model.") for name in names):
        kind = SD
    else:
        raise ModelUnusable(
            f"{shown} is not a complete Stable Diffusion 1, 2 or XL checkpoint{_kind(header)}"
        )
    if has_unet:  # Parts that a checkpoint lacks may come from the folder beside it.
        _check_shape(header, kind, shown)
    return kind


def _check_shape(header: Header, kind: str, shown: str) -> None:
    shapes = header.shapes
    reads = _channels(shapes.get(f"{UNET}input_blocks.0.0.weight"), 1, LATENT_CHANNELS)
    writes = _channels(shapes.get(f"{UNET}out.2.weight"), 0, LATENT_CHANNELS)
    latents = _channels(shapes.get(f"{VAE}decoder.conv_in.weight"), 1, LATENT_CHANNELS)
    check_channels(reads, writes, latents, shown)
    if kind == SD and f"{UNET}label_emb.0.0.weight" in shapes:
        raise ModelUnusable(f"{shown} cannot paint from text alone: its UNet needs class labels too")


def sampling(header: Header) -> Sampling:
    """Read a checkpoint's metadata and its marker tensors, which take precedence."""
    metadata = {_plain(key): value.strip() for key, value in header.metadata.items()}
    prediction = _prediction(metadata)
    if any(_true(metadata.get(key)) for key in V_KEYS) or "v_pred" in header:
        prediction = "v_prediction"
    elif prediction is None and any(_false(metadata.get(key)) for key in V_KEYS):
        prediction = "epsilon"
    zero_snr = "ztsnr" in header or any(_true(metadata.get(key)) for key in ZERO_SNR_KEYS)
    edm = "edm_mean" in header or any(name.startswith("edm_vpred.") for name in header.names)
    return Sampling(prediction, zero_snr, edm)


def _prediction(metadata: Mapping[str, str]) -> Prediction | None:
    """Return the prediction that the metadata names. The first key that names one counts."""
    for key in PREDICTION_KEYS:
        if said := PREDICTIONS.get(_letters(metadata.get(key, ""))):
            return said
    for name, prediction in ARCHITECTURES.items():
        if metadata.get("architecture", "").lower().startswith(name):
            return prediction
    return TRAINED_FROM.get(metadata.get("base_model_version", "").lower())


def own_size(header: Header) -> tuple[int, int] | None:
    """Return the (width, height) that ModelSpec's `resolution` names, if it is plausible."""
    sides = header.metadata.get("modelspec.resolution", "").lower().split("x")
    if not all(side.isascii() and side.isdigit() and len(side) <= 4 for side in sides):
        return None
    size = [int(side) for side in sides]
    return (
        (size[0], size[-1]) if len(size) <= 2 and all(side >= 64 and side % 8 == 0 for side in size) else None
    )


def _kind(header: Header) -> str:
    for kind, pieces in OTHER_KINDS.items():
        if any(piece in name for name in header.names for piece in pieces):
            return f": it is {kind}"
    return ""


def _channels(shape: tuple[int, ...] | None, dimension: int, default: int) -> int:
    return shape[dimension] if shape is not None and len(shape) > dimension else default


def _plain(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key.lower()


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha())


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes", "on")


def _false(value: Any) -> bool:
    return str(value).lower() in ("false", "0", "no", "off")
