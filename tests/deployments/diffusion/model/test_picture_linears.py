"""Layers of one vector per row: each picture's rows are multiplied separately, all else as usual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.picture_linears import PictureLinears
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from tests.support.denoisers import requested


class Seen(torch.nn.Linear):
    """Record the number of rows of each product."""

    def __init__(self) -> None:
        super().__init__(1280, 320)
        self.rows: list[int] = []

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.rows.append(len(value))
        return super().forward(value)


@pytest.fixture
def layer() -> Seen:
    torch.manual_seed(1)
    return Seen()


def test_each_picture_has_the_bits_that_it_has_alone(layer: Seen) -> None:
    linears, vectors = PictureLinears(torch.nn.Sequential(layer)), torch.randn(6, 1280)
    alone = [layer(part) for part in vectors.split([2, 1, 2, 1])]
    layer.rows.clear()
    with linears.apart([2, 1, 2], 6):
        together = layer(vectors)
    assert torch.equal(together, torch.cat(alone))
    assert layer.rows == [6, 2, 1, 2, 1], "the last row belongs to no picture"


@pytest.mark.parametrize(
    ("rows", "filled", "shape"),
    [([2, 2], 4, (4, 3, 1280)), ([2, 2], 4, (8, 1280)), ([4], 4, (4, 1280))],
    ids=["several vectors a row", "vectors of no row", "one picture alone"],
)
def test_others_are_multiplied_once(
    layer: Seen, rows: list[int], filled: int, shape: tuple[int, ...]
) -> None:
    linears = PictureLinears(layer)
    with linears.apart(rows, filled):
        layer(torch.randn(shape))
    assert layer.rows == [shape[0]]


def test_after_its_forward_nothing_is_kept_apart(layer: Seen) -> None:
    linears = PictureLinears(layer)
    with pytest.raises(ValueError, match="a forward"), linears.apart([1, 1], 2):
        raise ValueError("a forward")
    layer(torch.randn(2, 1280))
    assert layer.rows == [2]


@pytest.mark.parametrize("kind", [Denoiser, PipelinePainter])
def test_both_painters_keep_pictures_apart(
    kind: Any, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = kind(ModelConfig(str(tiny_sd1), device="cpu", threads=1))
    painter.load()
    layer, read = painter._pipeline.unet.time_embedding.linear_1, []
    forward = layer.forward

    def counted(value: torch.Tensor) -> torch.Tensor:
        read.append(len(value))
        result: torch.Tensor = forward(value)
        return result

    monkeypatch.setattr(layer, "forward", counted)
    painter.step([painter.begin(requested(seed=seed)) for seed in (1, 2)])
    assert read == [4, 2, 2], "both together, then each picture's two rows"
