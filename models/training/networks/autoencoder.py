"""Train the decoder of the fixed latents: what a network adds to their linear inverse."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import torch
from torch.nn.functional import interpolate, l1_loss

from deployments.diffusion.model.patch_autoencoder import FACTOR_PX, PatchAutoencoder, decode_linearly
from models.training.networks.latents import PatchBasis
from models.training.networks.mixed_precision import mixed_precision
from models.training.networks.muon import MuonAdamW
from models.training.training_pictures import Bucket

CROP = (6, 8)
"""Latents of a crop, down and across. Crops lie on the patches' grid, as every decoded picture does."""
BATCH = 16
RATE = 1e-3
WARM_UP_STEPS = 30
PLATEAU_SHARE = 0.4
LAST_RATE_SHARE = 0.02
AVERAGE = 0.995
LATENT_NOISE = 0.3
"""The decoder is also given latents with up to this much noise: it has to clean what the denoiser leaves."""
GRADIENT_WEIGHT = 2.0
HELD_OUT_EVERY = 24
_HELD_OUT_PICTURES = 8


def build_autoencoder(basis: PatchBasis) -> PatchAutoencoder:
    """Build an autoencoder of these latents, which decodes to their linear inverse until it is trained."""
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
    """Return the differences of neighbouring pixels, down and across, in one row."""
    down, across = pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]
    return torch.cat([down.flatten(), across.flatten()])


def _crops(buckets: list[Bucket], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut latents (16, c, 6, 8) and their pixels (16, 3, 192, 256) from pictures that are not held out."""
    weights = torch.tensor([float(len(bucket.specs)) for bucket in buckets])
    down, across = CROP
    cut = []
    for _ in range(BATCH):
        bucket = buckets[int(torch.multinomial(weights, 1, generator=generator))]
        n = int(torch.randint(0, len(bucket.pixels), (), generator=generator))
        if n % HELD_OUT_EVERY == 0:
            n = (n + 1) % len(bucket.pixels)
        _, height, width = bucket.latents[n].shape
        y = int(torch.randint(0, height - down + 1, (), generator=generator))
        x = int(torch.randint(0, width - across + 1, (), generator=generator))
        top, left, high, wide = (FACTOR_PX * latents for latents in (y, x, down, across))
        pixels = bucket.pixels[n, :, top : top + high, left : left + wide]
        cut.append((bucket.latents[n, :, y : y + down, x : x + across], pixels))
    latents, pixels = (torch.stack(parts).float() for parts in zip(*cut, strict=True))
    return latents, pixels / 127.5 - 1


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
    buckets: list[Bucket],
    basis: PatchBasis,
    folder: Path,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> None:
    """Minimize L1 on pixels and twice as much on their gradients, by Muon. Resumes.

    Leaves the averaged weights in `vae`.
    """
    learnt = copy.deepcopy(vae).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(learnt.details).requires_grad_(False)
    optimizer = MuonAdamW(learnt.details, ("levels.0.enter", "paint"), RATE, RATE)
    checkpoint, first = folder / "decoder.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        learnt.details.load_state_dict(state["learnt"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    generator = torch.Generator().manual_seed(seed + first)
    started, running = time.monotonic(), 0.0
    for step in range(first, steps):
        latents, pixels = _crops(buckets, generator)
        noise = LATENT_NOISE * torch.rand(BATCH, 1, 1, 1, generator=generator)
        noisy = latents + noise * torch.randn(latents.shape, generator=generator)
        noisy, pixels = noisy.to(device), pixels.to(device)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        linear = decode_linearly(noisy, learnt.mean, learnt.components, learnt.gain)
        with mixed_precision(device):
            details = learnt.details(noisy, linear)
        painted = interpolate(linear, scale_factor=2, mode="bilinear") + details.float()
        error = l1_loss(painted, pixels)
        loss = error + GRADIENT_WEIGHT * l1_loss(gradients(painted), gradients(pixels))
        optimizer.step(loss, rate_share(step, steps))
        with torch.no_grad():
            decay = min(AVERAGE, (step + 1) / (step + 10))
            torch._foreach_lerp_(list(average.parameters()), list(learnt.details.parameters()), 1 - decay)
        running = error.item() if step == first else 0.98 * running + 0.02 * error.item()
        if step % 100 == 99 or step == steps - 1:
            vae.details.load_state_dict(average.state_dict())
            held_out, inverse = decoder_error(vae, buckets[0], basis)
            print(
                f"decoder {step + 1}/{steps} error {running:.4f}, held out {held_out:.4f}"
                f" (linear {inverse:.4f}) {time.monotonic() - started:.0f} s",
                flush=True,
            )
            stored = {"learnt": learnt.details.state_dict(), "average": average.state_dict()}
            stored |= {"optimizer": optimizer.state_dict(), "step": step + 1}
            partial = checkpoint.with_suffix(".partial")
            torch.save(stored, partial)
            partial.replace(checkpoint)
    vae.details.load_state_dict(average.state_dict())
