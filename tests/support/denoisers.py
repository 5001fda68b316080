"""Paint with a denoiser, alone or beside others."""

from __future__ import annotations

from typing import Any

from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.model.pipeline_painting import PipelinePainting
from deployments.diffusion.painter import PaintRequest
from deployments.messages import Pixels


def requested(**changes: Any) -> PaintRequest:
    request: dict[str, Any] = {
        "prompt": "a red knight",
        "negative_prompt": "blurry",
        "num_inference_steps": 3,
        "guidance_scale": 7.5,
        "seed": 11,
        "width_px": 64,
        "height_px": 96,
    }
    return PaintRequest(**(request | changes))


def paint(denoiser: Denoiser, request: PaintRequest) -> Pixels:
    painting = denoiser.begin(request)
    while painting.done < painting.steps:
        denoiser.step([painting])
        assert painting.fault is None
    return denoiser.decode([painting])[0]


def step_or_split(painter: PipelinePainter, paintings: list[PipelinePainting]) -> None:
    """Step as the engine does: if a forward fails, try smaller groups."""
    try:
        painter.step(paintings)
    except ValueError as error:
        if len(paintings) == 1:
            paintings[0].fault = error
            return
        middle = len(paintings) // 2
        step_or_split(painter, paintings[:middle])
        step_or_split(painter, paintings[middle:])
