"""The AutoencoderTiny around the fixed latents: a trained decoder, and an encoder fitted to match."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch.nn.functional import l1_loss, mse_loss

from models.training.latents import CHANNELS, PATCH_PX, PatchBasis

CROP_PX = 96
BATCH = 12
LATENT_NOISE = 0.06
SCALING = 4.0
"""AutoencoderTiny's decoder bounds its input at 3, softly (tanh). The first latent component, a patch's
brightness, reaches 7: divided by this, none comes near the bound."""


def build_autoencoder() -> AutoencoderTiny:
    """Five levels make a latent factor of 16; the cheap low levels are the deep ones."""
    return AutoencoderTiny(
        latent_channels=CHANNELS,
        encoder_block_out_channels=(16,) * 5,
        decoder_block_out_channels=(32,) * 5,
        num_encoder_blocks=(1, 1, 2, 2, 3),
        num_decoder_blocks=(4, 4, 3, 2, 1),
        scaling_factor=SCALING,
    )


def _gradients(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]


def _crops(groups: list[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
    """Crops anywhere, not aligned with the patch grid: the decoder must not learn one.

    The busier half of twice as many: a plain backdrop teaches little, and is most of a picture.
    """
    group = groups[int(torch.randint(0, len(groups), (), generator=generator))]
    out = []
    for _ in range(2 * BATCH):
        n = int(torch.randint(0, len(group), (), generator=generator))
        y = int(torch.randint(0, group.shape[2] - CROP_PX + 1, (), generator=generator))
        x = int(torch.randint(0, group.shape[3] - CROP_PX + 1, (), generator=generator))
        out.append(group[n, :, y : y + CROP_PX, x : x + CROP_PX])
    crops = torch.stack(out).float() / 127.5 - 1
    busiest = crops.flatten(1).std(1).argsort(descending=True)[:BATCH]
    return crops[busiest]


def train_decoder(
    vae: AutoencoderTiny, groups: list[torch.Tensor], basis: PatchBasis, folder: Path, steps: int, seed: int
) -> None:
    """Adam with warm-up and linear decay; L1 on pixels and half as much on their gradients. Resumes."""
    vae.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(vae.decoder.parameters(), lr=2e-3, betas=(0.9, 0.98))
    checkpoint, first = folder / "decoder.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    generator = torch.Generator().manual_seed(seed + first)
    started, running = time.monotonic(), 0.0
    for step in range(first, steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * min((step + 1) / 200, max(0.01, 1 - step / steps))
        pixels = _crops(groups, generator)
        latents = basis.encode(pixels)
        noisy = latents + LATENT_NOISE * torch.rand(BATCH, 1, 1, 1) * torch.randn_like(latents)
        with torch.autocast("cpu", torch.bfloat16):
            painted = vae.decode((noisy / SCALING).contiguous(memory_format=torch.channels_last)).sample
        painted = painted.float()
        loss = l1_loss(painted, pixels)
        error = loss.item()
        for ours, theirs in zip(_gradients(painted), _gradients(pixels), strict=True):
            loss = loss + 0.5 * l1_loss(ours, theirs)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        optimizer.step()
        running = error if step == first else 0.98 * running + 0.02 * error
        if step % 250 == 249 or step == steps - 1:
            print(
                f"decoder {step + 1}/{steps} error {running:.4f} {time.monotonic() - started:.0f} s",
                flush=True,
            )
            torch.save(
                {"vae": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, checkpoint
            )


def fit_encoder(
    vae: AutoencoderTiny, groups: list[torch.Tensor], basis: PatchBasis, folder: Path, steps: int, seed: int
) -> None:
    """Regress the encoder on the linear latents; text-to-image never runs it, image-to-image does."""
    checkpoint = folder / "encoder.pt"
    if checkpoint.exists():
        vae.encoder.load_state_dict(torch.load(checkpoint))
        return
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(vae.encoder.parameters(), lr=2e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * max(0.01, 1 - step / steps)
        pixels = _crops(groups, generator)
        loss = mse_loss(vae.encoder(pixels), basis.encode(pixels) / SCALING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"encoder error {loss.item() * SCALING**2:.3f} of unit variance", flush=True)
    torch.save(vae.encoder.state_dict(), checkpoint)


assert CROP_PX % PATCH_PX == 0
