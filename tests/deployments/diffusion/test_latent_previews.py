from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from PIL import Image
from safetensors.numpy import load_file, save_file

from deployments.diffusion.latent_previews import (
    BASIS_FILE,
    encode_preview,
    expected_latents,
    latent_map,
)
from deployments.diffusion.model.registry import BUNDLED_FOLDER
from deployments.diffusion.painter import preview_steps

FLOW_OF_SANA: dict[str, Any] = {
    "prediction_type": "flow_prediction",
    "use_flow_sigmas": True,
    "flow_shift": 3.0,
}


@pytest.mark.parametrize(
    ("wanted", "steps", "reported"),
    [(3, 20, [5, 10, 15]), (1, 2, [1]), (3, 4, [1, 2, 3]), (0, 20, []), (3, 1, []), (5, 3, [1, 2])],
)
def test_previews_are_spread_and_the_last_step_has_none(wanted: int, steps: int, reported: list[int]) -> None:
    assert sorted(preview_steps(wanted, steps)) == reported


def orthonormal_basis(folder: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    components = np.linalg.qr(rng.normal(size=(768, 24)))[0].T.astype(np.float32)
    basis = {
        "components": np.ascontiguousarray(components),
        "mean": rng.normal(size=768).astype(np.float32) / 10,
        "gain": rng.uniform(0.5, 2, 24).astype(np.float32),
    }
    save_file(basis, folder / BASIS_FILE)
    return basis


def test_a_models_own_basis_is_undone_and_averaged(tmp_path: Path) -> None:
    basis = orthonormal_basis(tmp_path)
    latents = np.random.default_rng(1).normal(size=(24, 3, 2)).astype(np.float32)
    to_colours = latent_map(tmp_path, 24, xl=False)
    assert to_colours is not None
    shown = to_colours(latents)
    assert shown.shape == (12, 8, 3)
    patch = (latents[:, 1, 0] / basis["gain"]) @ basis["components"] + basis["mean"]
    pixels = patch.reshape(3, 16, 16)
    for row, column in ((0, 0), (2, 3)):
        cell = pixels[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean(axis=(1, 2))
        expected = (cell / 2 + 0.5).clip(0, 1) * 255
        assert np.abs(shown[4 + row, column] - expected).max() <= 1


def test_latents_of_the_half_size_picture_are_shown_in_cells_of_eight(tmp_path: Path) -> None:
    basis = orthonormal_basis(tmp_path)
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text('{"block_out_channels": [8, 8, 8, 8, 8, 8]}')
    latents = np.random.default_rng(1).normal(size=(24, 3, 2)).astype(np.float32)
    to_colours = latent_map(tmp_path, 24, xl=False)
    assert to_colours is not None
    shown = to_colours(latents)
    assert shown.shape == (24, 16, 3)
    patch = (latents[:, 1, 0] / basis["gain"]) @ basis["components"] + basis["mean"]
    cell = patch.reshape(3, 16, 16)[:, 4:6, 14:16].mean(axis=(1, 2))
    assert np.abs(shown[8 + 2, 7] - (cell / 2 + 0.5).clip(0, 1) * 255).max() <= 1


@pytest.mark.parametrize("name", ["storybook-character", "storybook-background"])
def test_a_bundled_models_grey_is_grey(name: str) -> None:
    folder = BUNDLED_FOLDER / name
    basis = load_file(folder / BASIS_FILE)
    grey = (np.full(768, 0.5, np.float32) - basis["mean"]) @ basis["components"].T * basis["gain"]
    to_colours = latent_map(folder, 24, xl=False)
    assert to_colours is not None
    shown = to_colours(np.tile(grey[:, None, None], (1, 2, 2)))
    assert np.abs(shown.astype(int) - 191).max() < 25


@pytest.mark.parametrize("xl", [False, True])
def test_a_family_has_one_map(xl: bool) -> None:
    to_colours = latent_map(None, 4, xl)
    assert to_colours is not None
    assert to_colours(np.zeros((4, 6, 5), np.float32)).shape == (6, 5, 3)
    assert to_colours(np.full((4, 1, 1), np.nan, np.float32)).tolist() == [[[0, 0, 0]]]


def test_of_unknown_latents_there_is_none(tmp_path: Path) -> None:
    assert latent_map(tmp_path, 16, xl=False) is None


def test_a_preview_is_a_small_jpeg() -> None:
    data = encode_preview(np.zeros((96, 128, 3), np.uint8))
    assert Image.open(BytesIO(data)).size == (128, 96)
    assert len(data) < 2_000


@pytest.mark.parametrize(
    "solver", [FlowMatchEulerDiscreteScheduler(shift=3.0), DPMSolverMultistepScheduler(**FLOW_OF_SANA)]
)
def test_a_flows_expected_end_is_a_straight_line_away(solver: Any) -> None:
    """The line holds for every solver and shift: x = (1 - sigma) * x0 + sigma * noise, v = noise - x0."""
    clean, noise = torch.randn(2, 1, 16, 4, 4, generator=torch.Generator().manual_seed(3))
    solver.set_timesteps(6)
    for sigma, timestep in zip(solver.sigmas, solver.timesteps, strict=False):
        sample = (1 - sigma) * clean + sigma * noise
        expected = expected_latents(solver, timestep, sample, noise - clean)
        assert torch.allclose(expected, clean, atol=5e-3), "DPM-Solver's timesteps are whole numbers"
