"""Paint several pictures with one painter, each begun at its own step, and count their forwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.model.pipeline_painting import PipelinePainting
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.start_picture import StartPicture

WIDTH, HEIGHT = 64, 96
TINTS = np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
LEFT = np.zeros((HEIGHT, WIDTH), bool)
LEFT[:, : WIDTH // 2] = True
TEXT = PaintRequest("a red knight", None, 4, 3.0, 11, WIDTH, HEIGHT)
VARIED = StartPicture(name="tints", strength=0.6, pixels=TINTS)
MASKED = replace(VARIED, strength=0.8, mask_name="left", mask=LEFT)


def together(
    painter: PipelinePainter, requests: dict[int, PaintRequest]
) -> tuple[list[PipelinePainting], list[int]]:
    """Begin each request at its step and finish them all; return also the row count of each forward."""
    rows: list[int] = []

    def look(network: Any, positional: Any, named: Any) -> None:
        rows.append(len(positional[0] if positional else next(iter(named.values()))))

    hook = painter._denoiser.register_forward_pre_hook(look, with_kwargs=True)
    paintings: list[PipelinePainting] = []
    try:
        for step in range(20):
            if step in requests:
                paintings.append(painter.begin(requests[step]))
            if under_way := [painting for painting in paintings if painting.done < painting.steps]:
                painter.step(under_way)
                assert [painting.fault for painting in under_way] == [None] * len(under_way)
    finally:
        hook.remove()
    return paintings, rows
