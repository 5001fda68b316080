"""Train the decoder of the fixed latents: a network that adds details to their linear inverse."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate, l1_loss

from deployments.diffusion.model.patch_autoencoder import PatchAutoencoder, decode_linearly
from models.training.networks.decoder_crops import HELD_OUT_EVERY, Cut
from models.training.networks.latents import PatchBasis
from models.training.networks.mixed_precision import mixed_precision
from models.training.networks.muon import MuonAdamW
from models.training.training_pictures import Bucket

RATE = 1e-3
WARM_UP_STEPS = 30
PLATEAU_SHARE = 0.4
LAST_RATE_SHARE = 0.02
AVERAGE = 0.995
GRADIENT_WEIGHT = 2.0
REFINING_RATE = 4e-4
"""The rate of more training, on latents that the denoiser has painted."""
_HELD_OUT_PICTURES = 8


def build_autoencoder(basis: PatchBasis) -> PatchAutoencoder:
    """Build an autoencoder for these latents, which decodes to their linear inverse until it is trained."""
    vae: PatchAutoencoder = PatchAutoencoder(latent_channels=basis.channels)
    with torch.no_grad():
        vae.mean.copy_(basis.mean)
        vae.components.copy_(basis.components)
        vae.gain.copy_(basis.gain)
    return vae


def rate_share(step: int, steps: int) -> float:
    """Return the share of the peak rate: warm-up, a plateau, then a line down."""
    falling = (1 - step / steps) / (1 - PLATEAU_SHARE)
    return min((step + 1) / WARM_UP_STEPS, max(LAST_RATE_SHARE, min(1.0, falling)))


def gradients(pixels: torch.Tensor) -> torch.Tensor:
    """Return the differences of neighbouring pixels, down and across, as one flat tensor."""
    down, across = pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]
    return torch.cat([down.flatten(), across.flatten()])


def decode_to_train(vae: PatchAutoencoder, latents: torch.Tensor, device: str) -> torch.Tensor:
    """Decode latents (n, c, h, w) to pixels (n, 3, 32 h, 32 w), the details in mixed precision."""
    latents = latents.to(device).contiguous(memory_format=torch.channels_last)
    linear = decode_linearly(latents, vae.mean, vae.components, vae.gain)
    with mixed_precision(device):
        details = vae.details(latents, linear)
    painted: torch.Tensor = interpolate(linear, scale_factor=2, mode="bilinear") + details.float()
    return painted


def reconstruction_loss(painted: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Return L1 on pixels plus twice L1 on their gradients."""
    error: torch.Tensor = l1_loss(painted, pixels)
    return error + GRADIENT_WEIGHT * l1_loss(gradients(painted), gradients(pixels))


@torch.no_grad()
def follow(average: torch.nn.Module, learnt: torch.nn.Module, step: int) -> None:
    """Move the averaged weights towards the learnt ones."""
    decay = min(AVERAGE, (step + 1) / (step + 10))
    torch._foreach_lerp_(list(average.parameters()), list(learnt.parameters()), 1 - decay)


def begin(vae: PatchAutoencoder, rate: float, device: str) -> tuple[PatchAutoencoder, dict[str, Any]]:
    """Return a copy to train, and what training changes: `learnt` details, `average` and `optimizer`."""
    learnt = copy.deepcopy(vae).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(learnt.details).requires_grad_(False)
    optimizer = MuonAdamW(learnt.details, ("levels.0.enter", "paint"), rate, rate)
    return learnt, {"learnt": learnt.details, "average": average, "optimizer": optimizer}


def resume(parts: dict[str, Any], checkpoint: Path, device: str) -> int:
    """Restore the parts from their checkpoint, if there is one. Return the number of steps done."""
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, map_location=device)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])


def store(parts: dict[str, Any], checkpoint: Path, steps_done: int) -> None:
    """Replace the parts' checkpoint, so that an interruption leaves the old one."""
    partial = checkpoint.with_suffix(".partial")
    torch.save({name: part.state_dict() for name, part in parts.items()} | {"step": steps_done}, partial)
    partial.replace(checkpoint)


@torch.no_grad()
def decoder_error(vae: PatchAutoencoder, bucket: Bucket, basis: PatchBasis) -> tuple[float, float]:
    """Return the mean absolute errors, on a scale of -1..1, of the decoder and of the linear inverse.

    Measured on whole pictures that the decoder was not trained on.
    """
    pixels = bucket.pixels[::HELD_OUT_EVERY][:_HELD_OUT_PICTURES].float() / 127.5 - 1
    latents = basis.encode(pixels)
    linear = interpolate(basis.decode(latents), scale_factor=2, mode="bilinear")
    decoded = torch.cat([vae.decode(part).sample for part in latents.split(4)])
    return l1_loss(decoded, pixels).item(), l1_loss(linear, pixels).item()


def train_decoder(
    vae: PatchAutoencoder,
    cut: Cut,
    held_out: Bucket,
    basis: PatchBasis,
    checkpoint: Path,
    steps: int,
    seed: int,
    device: str = "cpu",
    rate: float = RATE,
) -> None:
    """Minimize the reconstruction loss of these crops with Muon. Resumes from its checkpoint.

    Prints the error on the pictures of `held_out` that no crop shows. Leaves the averaged weights in `vae`.
    """
    learnt, parts = begin(vae, rate, device)
    average, optimizer = parts["average"], parts["optimizer"]
    first = resume(parts, checkpoint, device)
    crops = cut(torch.Generator().manual_seed(seed + first))
    started, running = time.monotonic(), 0.0
    for step in range(first, steps):
        latents, pixels = next(crops)
        pixels = pixels.to(device)
        painted = decode_to_train(learnt, latents, device)
        optimizer.step(reconstruction_loss(painted, pixels), rate_share(step, steps))
        follow(average, learnt.details, step)
        error = l1_loss(painted.detach(), pixels)
        running = error.item() if step == first else 0.98 * running + 0.02 * error.item()
        if step % 100 == 99 or step == steps - 1:
            vae.details.load_state_dict(average.state_dict())
            unseen, inverse = decoder_error(vae, held_out, basis)
            print(
                f"{checkpoint.stem} {step + 1}/{steps} error {running:.4f}, held out {unseen:.4f}"
                f" (linear {inverse:.4f}) {time.monotonic() - started:.0f} s",
                flush=True,
            )
            store(parts, checkpoint, step + 1)
    vae.details.load_state_dict(average.state_dict())
