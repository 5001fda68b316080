"""Crops show what is seldom learnt more often, nothing held out, and no noise on denoised latents."""

from __future__ import annotations

import pytest
import torch

from models.training.networks import decoder_crops
from models.training.networks.decoder_crops import cut_crops, cut_mixed_crops
from models.training.training_pictures import Bucket


def gray_pictures(*levels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels (n, 3, 192, 256) of these levels, and zeros as their latents."""
    pixels = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 192, 256)
    return pixels, torch.zeros(len(levels), 8, 6, 8).half()


def levels_of(pixels: torch.Tensor) -> list[int]:
    levels: list[int] = ((pixels.flatten(1)[:, 0] + 1) * 127.5).round().int().tolist()
    return levels


def often(spec: object) -> int:
    return 4 if spec == "often" else 1


def test_crops_show_what_is_learnt_slowly_oftener_and_nothing_held_out() -> None:
    shown = Bucket(*gray_pictures(0, 100, 200), ["held out", "often", "seldom"])
    latents, pixels = next(cut_crops([shown], often, torch.Generator().manual_seed(0), count=200))
    assert latents.shape == (200, 8, 6, 8) and pixels.shape == (200, 3, 192, 256)
    levels = levels_of(pixels)
    assert levels.count(0) == 0
    assert 140 < levels.count(100) < 180, "about 4 of 5"


def test_half_of_mixed_crops_are_denoised_ones_without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_crops, "BATCH", 12)
    drawn = Bucket(*gray_pictures(0, 100), ["held out", "drawn"])
    denoised = Bucket(*gray_pictures(200), ["denoised"])
    latents, pixels = next(cut_mixed_crops([drawn], [denoised], often, torch.Generator().manual_seed(0)))
    assert levels_of(pixels) == [100] * 6 + [200] * 6
    assert latents[:6].flatten(1).std(dim=1).min() > 0
    assert not latents[6:].any()


def test_mixed_crops_are_of_drawings_alone_if_none_could_be_denoised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_crops, "BATCH", 4)
    drawn = Bucket(*gray_pictures(0, 100), ["held out", "drawn"])
    none = Bucket(torch.empty(0, 3, 192, 256, dtype=torch.uint8), torch.empty(0, 8, 6, 8).half(), [])
    _, pixels = next(cut_mixed_crops([drawn], [none], often, torch.Generator().manual_seed(0)))
    assert levels_of(pixels) == [100] * 4
