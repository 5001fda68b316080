"""Make sure that a model's scheduler can sample it, the way that the model was trained."""

from __future__ import annotations

import copy
from typing import Any

import diffusers

from deployments.diffusion.model.checkpoint import Sampling
from deployments.diffusion.model.load_errors import blamed
from deployments.errors import ModelUnusable

library: Any = diffusers
TRIED_STEPS = 10
USED = ("scale_model_input", "init_noise_sigma", "step")
"""Attributes of a scheduler that the denoiser uses."""


def as_trained(scheduler: Any, sampling: Sampling, shown: str) -> Any:
    """Configure the scheduler for the training that the checkpoint declares. Without any, keep it as it is.

    Raises ModelUnusable if no scheduler of this kind can sample such a model.
    """
    kind, config = type(scheduler), dict(scheduler.config)
    if sampling.edm and not kind.__name__.startswith("EDM"):
        raise ModelUnusable(f"{shown} was trained with EDM noise, which its {kind.__name__} does not support")
    changes: dict[str, Any] = {}
    if sampling.prediction is not None and config.get("prediction_type") != sampling.prediction:
        if "prediction_type" not in config:
            raise ModelUnusable(
                f"{shown} was trained for {sampling.prediction}, which its {kind.__name__} does not support"
            )
        changes["prediction_type"] = sampling.prediction
    if sampling.zero_snr:
        if "rescale_betas_zero_snr" not in config:
            kind = library.EulerDiscreteScheduler
        # Lin et al. 2023, arXiv 2305.08891: the signal ends at zero, and sampling begins there.
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return kind.from_config(config, **changes) if changes else scheduler


def check_sampler(scheduler: Any, shown: str, by_denoiser: bool) -> None:
    """Try out a model's scheduler. Raises ModelUnusable, naming it, if it cannot be used.

    `by_denoiser`: our own loop (denoiser.py) may call it, and not only its own pipeline.
    """
    part = f"{shown}: its scheduler {type(scheduler).__name__}"
    shift = {"mu": 1.0} if scheduler.config.get("use_dynamic_shifting") else {}
    with blamed(part):
        copy.deepcopy(scheduler).set_timesteps(TRIED_STEPS, **shift)
        if by_denoiser and not all(hasattr(scheduler, name) for name in USED):
            raise ModelUnusable(f"{part} is for models of another family")
