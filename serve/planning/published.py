"""Profiles made from published times, for planning before there is a GPU to measure.

Most sources give the seconds of a whole call of a diffusers pipeline: encoding the prompt, all steps and
decoding. A step here is that time divided by the number of steps, so it includes encoding and decoding. A
source that gives the seconds of one forward says so, and leaves out both.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..config.layer_settings import STABLE_DIFFUSION
from .device_profile import LayerProfile, Profile

STEPS, FLUX_STEPS = 50, 28
"""The steps of every timed call. FLUX profiles also paint with that many."""
MERGE_S = 0.047
"""Our own time in docs/performance.md: cut out a figure, set it into a 1024x512 scene, encode it as JPEG."""

DIFFUSERS = (
    "diffusers 0.16.1, docs/source/en/optimization/torch2.0.mdx, table FP16, column `PyTorch2.0 SDPA`:"
    " stable-diffusion-v1-4, 512x512, 50 steps (https://huggingface.co/docs/diffusers/v0.16.0/optimization/torch2.0)"
)
FAL = (
    "fal-ai/stable-diffusion-benchmarks, README.md of commit 0490f695, row `Diffusers (torch 2.1, SDPA)`:"
    " SDXL, 1024x1024, 50 steps, fp16, one picture at a time"
    " (https://github.com/fal-ai/stable-diffusion-benchmarks)"
)
PYTORCH = (
    "PyTorch devlog of 2026-05-11, torch.compile and Diffusers: FLUX.1-dev, bfloat16, 28 steps, without"
    " compiling, one picture at a time"
    " (https://docs.pytorch.org/devlogs/inductor/2026-05-11-torch-compile-and-diffusers/)"
)
FORWARD = (
    "diffusers/benchmarks, collated_results.csv, column time_plain_s, diffusers a09768f2: one forward of"
    " FLUX.1-dev in bfloat16 at 1024x1024, without encoding and decoding"
    " (https://huggingface.co/datasets/diffusers/benchmarks)"
)


def _profile(
    device: str, model: str, step_s: Mapping[int, float], source: str, steps: int | None = None
) -> Profile:
    """Make a profile from the seconds of one step, by the number of pictures in it.

    `steps` is the number for each layer, by default that of Stable Diffusion.
    """
    character, background = (
        LayerProfile(
            steps=steps or defaults.num_inference_steps,
            encode_s=0.0,
            step_s=step_s,
            decode_s=0.0,
            model=model,
        )
        for defaults in (STABLE_DIFFUSION["character"], STABLE_DIFFUSION["background"])
    )
    return Profile(
        device=device,
        backend="diffusers",
        character=character,
        background=background,
        merge_s=MERGE_S,
        source=source,
    )


def _sd1(device: str, call_s: Mapping[int, float]) -> Profile:
    step_s = {pictures: seconds / STEPS for pictures, seconds in call_s.items()}
    return _profile(device, "Stable Diffusion 1", step_s, DIFFUSERS)


def _flux(device: str, step_s: float, source: str) -> Profile:
    return _profile(device, "FLUX.1 [dev]", {1: step_s}, source, FLUX_STEPS)


PUBLISHED: Mapping[str, Profile] = {
    "sd1-rtx-3090": _sd1("RTX 3090", {1: 2.42, 4: 7.72, 8: 14.88, 10: 18.62, 16: 28.88}),
    "sd1-rtx-3090-ti": _sd1("RTX 3090 Ti", {1: 2.19, 4: 7.00, 8: 13.53, 10: 16.77, 16: 26.04}),
    "sd1-rtx-4090": _sd1("RTX 4090", {1: 1.28, 4: 3.76, 8: 7.43, 16: 14.98}),
    "sd1-a100": _sd1("A100", {1: 1.98, 2: 2.38, 4: 3.89, 8: 7.04, 10: 8.67, 16: 13.55}),
    "sdxl-a100": _profile("A100 80 GB SXM", "Stable Diffusion XL", {1: 5.933 / STEPS}, FAL),
    "flux-dev-h100": _flux("H100", 6.7 / FLUX_STEPS, PYTORCH),
    "flux-dev-l40": _flux("L40", 0.532, FORWARD),
}
"""Profiles by the name that `scenewright plan --profile` takes."""
