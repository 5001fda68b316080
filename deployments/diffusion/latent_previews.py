"""Draw small previews of the predicted picture: a linear map from latents to colours, and a JPEG."""

from __future__ import annotations

import io
import json
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

from deployments.diffusion.painter import Preview
from deployments.messages import Pixels

BASIS_FILE = "latent_basis.safetensors"
"""A file of each bundled model. The latents are gain * components @ (patch - mean) of 16x16 patches of the
picture, or of the picture at half its size if the model's latent factor is 32."""
SHRINK = 4
"""Picture pixels along one side of a preview pixel."""
# Fitted by ComfyUI (latent_formats.py) over the scaled latents of each family: rows are latent channels.
SD_MAP = [
    [0.3512, 0.2297, 0.3227],
    [0.3250, 0.4974, 0.2350],
    [-0.2829, 0.1762, 0.2721],
    [-0.2120, -0.2616, -0.7177],
]
XL_MAP = [
    [0.3651, 0.4232, 0.4341],
    [-0.2533, -0.0042, 0.1068],
    [0.1076, 0.1111, -0.0362],
    [-0.3165, -0.2492, -0.2188],
]
XL_SHIFT = [0.1084, -0.0175, -0.0011]
QUALITY = 75
LEAST_SIGNAL = 1e-3
"""Lower bound for the signal in a division: a zero-SNR schedule has none at its first step."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class LatentMap:
    """The linear map colours = latents @ matrix + shift, with colours in -1..1.

    `matrix` is (channels, cell * cell * 3), and `shift` is (cell * cell * 3,).
    """

    matrix: Floats
    shift: Floats
    cell: int = 1

    def draw(self, latents: Any) -> Pixels:
        """Return a preview of the first picture in a tensor of latents (n, channels, h, w)."""
        return self(latents[0].float().cpu().numpy())

    def __call__(self, latents: Floats) -> Pixels:
        """Map (channels, h, w) to (cell * h, cell * w, 3)."""
        _, height, width = latents.shape
        colours = np.moveaxis(latents, 0, -1) @ self.matrix + self.shift
        cells = colours.reshape(height, width, self.cell, self.cell, 3).swapaxes(1, 2)
        image = cells.reshape(height * self.cell, width * self.cell, 3)
        return to_pixels(image)


def latent_map(folder: Path | None, channels: int, xl: bool) -> LatentMap | None:
    """Return the map for this model: its own, its family's, or none."""
    if folder is not None and (folder / BASIS_FILE).is_file():
        return _basis_map(load_file(folder / BASIS_FILE), _cell(folder))
    if channels != 4:
        return None
    matrix, shift = (XL_MAP, XL_SHIFT) if xl else (SD_MAP, [0.0, 0.0, 0.0])
    return LatentMap(np.array(matrix, np.float32), np.array(shift, np.float32))


def expected_latents(solver: Any, timestep: Any, latents: Any, prediction: Any) -> Any:
    """Return the clean latents that a prediction implies.

    The formulas are those of DDPM, of Salimans & Ho 2022 for the velocity, and x0 = x - sigma * v for a flow
    (Lipman et al. 2023, arXiv 2210.02747).

    `scale_model_input` returns the variance-preserving sample, whichever form the solver itself keeps.
    """
    kind = solver.config.get("prediction_type", "flow_prediction")
    if kind == "flow_prediction":
        return latents - float(timestep) / solver.config.num_train_timesteps * prediction
    sample = solver.scale_model_input(latents, timestep)
    schedule = solver.alphas_cumprod.numpy()
    kept = float(np.interp(float(timestep), np.arange(len(schedule)), schedule))
    signal, noise = kept**0.5, (1 - kept) ** 0.5
    if kind == "sample":
        return prediction
    if kind == "v_prediction":
        return signal * sample - noise * prediction
    return (sample - noise * prediction) / max(signal, LEAST_SIGNAL)


def is_being_drawn(preview: Preview | None) -> bool:
    return isinstance(preview, Future) and not preview.done()


def to_pixels(image: Floats) -> Pixels:
    """Convert -1..1 to bytes; NaN is black."""
    pixels: Pixels = (np.nan_to_num(image / 2 + 0.5).clip(0, 1) * 255).round().astype(np.uint8)
    return pixels


def encode_preview(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def _cell(folder: Path) -> int:
    """Return the preview pixels along one side of a latent. Each VAE level but one halves the picture."""
    try:
        levels = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8-sig"))
        halvings: int = len(levels["block_out_channels"]) - 1
    except (OSError, ValueError, KeyError, TypeError):
        halvings = 4
    return min(max((1 << halvings) // SHRINK, 1), 16)


def _basis_map(basis: dict[str, Floats], cell: int) -> LatentMap:
    """Return the linear inverse, patch = components.T @ (latent / gain) + mean, averaged over cells."""
    inverse = _pooled(basis["components"] / basis["gain"][:, None], cell)
    return LatentMap(inverse, _pooled(basis["mean"][None], cell)[0], cell)


def _pooled(patches: Floats, cell: int) -> Floats:
    """Average (n, 3 * side * side) to (n, cell * cell * 3)."""
    side = round((patches.shape[1] / 3) ** 0.5)
    share = side // cell
    cells = patches.reshape(-1, 3, cell, share, cell, share).mean(axis=(3, 5))
    pooled: Floats = np.moveaxis(cells, 1, -1).reshape(len(patches), -1)
    return pooled
