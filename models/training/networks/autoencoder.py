"""Train the AutoencoderTiny around the fixed latents: a decoder, and an encoder fitted to match."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch.nn.functional import interpolate, l1_loss

from models.training.networks.fast_decode import paint
from models.training.networks.kept_rows import hold
from models.training.networks.latents import FACTOR_PX, PatchBasis
from models.training.networks.linear_start import linear_start
from models.training.networks.muon import MuonAdamW
from models.training.training_pictures import Bucket

CROP_PX = (192, 256)
BATCH = 4
RATE = 4e-4
ADAM_RATE = 1.5e-4
LAST_RATE_SHARE = 0.02
AVERAGE = 0.995
LATENT_NOISE = 0.3
"""The decoder is also given latents with up to this much noise: it has to clean what the denoiser leaves."""
SCALING = 16.0
"""AutoencoderTiny's decoder bounds its input at 3, softly (tanh). The first latent component, a patch's
brightness, reaches 7: divided by this, it is bent by less than 1%."""
EXACT_SHARE = 0.05
"""The last steps run every layer, as the finished decoder does."""
HELD_OUT_EVERY = 24
_HELD_OUT_PICTURES = 4


def build_autoencoder(channels: int) -> AutoencoderTiny:
    """Build six levels, which make a latent factor of 32; most blocks are on the small, cheap levels.

    The eleven blocks of the smallest level count up to 33 columns or rows, of 32 pixels each
    (`linear_start`). The encoder has no blocks: it is linear.
    """
    return AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=(48,) * 6,
        decoder_block_out_channels=(64 if channels <= 32 else 80,) * 6,
        num_encoder_blocks=(0,) * 6,
        num_decoder_blocks=(11, 3, 3, 3, 1, 0),
        scaling_factor=SCALING,
    )


def _gradients(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., 1:] - pixels[..., :-1]


def _crops(buckets: list[Bucket], generator: torch.Generator) -> torch.Tensor:
    """Cut (4, 3, 192, 256) anywhere, not aligned with the patch grid: the decoder must not learn one."""
    weights = torch.tensor([float(len(bucket.specs)) for bucket in buckets])
    height, width = CROP_PX
    out = []
    for _ in range(BATCH):
        pixels = buckets[int(torch.multinomial(weights, 1, generator=generator))].pixels
        n = int(torch.randint(0, len(pixels), (), generator=generator))
        if n % HELD_OUT_EVERY == 0:
            n = (n + 1) % len(pixels)
        y = int(torch.randint(0, pixels.shape[2] - height + 1, (), generator=generator))
        x = int(torch.randint(0, pixels.shape[3] - width + 1, (), generator=generator))
        out.append(pixels[n, :, y : y + height, x : x + width])
    return torch.stack(out).float() / 127.5 - 1


@torch.no_grad()
def decoder_error(vae: AutoencoderTiny, bucket: Bucket, basis: PatchBasis) -> tuple[float, float]:
    """Return the mean absolute errors, on a scale of -1..1, of the decoder and of the linear inverse.

    Measured on pictures that the decoder was not trained on.
    """
    pixels = bucket.pixels[::HELD_OUT_EVERY][:_HELD_OUT_PICTURES].float() / 127.5 - 1
    latents = basis.encode(pixels)
    linear = interpolate(basis.decode(latents), scale_factor=2, mode="bilinear")
    decoded = torch.cat([vae.decode(part / SCALING).sample for part in latents.split(4)])
    return l1_loss(decoded, pixels).item(), l1_loss(linear, pixels).item()


def train_decoder(
    vae: AutoencoderTiny,
    buckets: list[Bucket],
    basis: PatchBasis,
    folder: Path,
    steps: int,
    seed: int,
    device: str = "cpu",
    trained: bool = False,
) -> None:
    """Minimize L1 on pixels and twice as much on their gradients, by Muon. Resumes.

    Starts at the linear inverse unless `vae` is `trained`. Leaves the averaged weights in `vae`.
    """
    started = copy.deepcopy(vae)
    masks = linear_start(started, basis, buckets[0].latents)
    learnt = copy.deepcopy((vae if trained else started).decoder)
    learnt = learnt.to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(learnt).requires_grad_(False)
    last_layer = f"layers.{len(learnt.layers) - 1}"
    optimizer = MuonAdamW(learnt, ("layers.0", last_layer), RATE, ADAM_RATE)
    checkpoint, first = folder / "decoder.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        learnt.load_state_dict(state["learnt"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    put_back = hold(learnt, masks)
    generator = torch.Generator().manual_seed(seed + first)
    started, running = time.monotonic(), 0.0
    for step in range(first, steps):
        pixels = _crops(buckets, generator)
        latents = basis.encode(pixels)
        noise = LATENT_NOISE * torch.rand(BATCH, 1, 1, 1, generator=generator)
        noisy = latents + noise * torch.randn(latents.shape, generator=generator)
        pixels = pixels.to(device)
        given = (noisy / SCALING).to(device).contiguous(memory_format=torch.channels_last)
        painted = paint(learnt, given, exact=step > (1 - EXACT_SHARE) * steps)
        loss = l1_loss(painted, pixels)
        error = loss.item()
        for ours, theirs in zip(_gradients(painted), _gradients(pixels), strict=True):
            loss = loss + l1_loss(ours, theirs)
        falling = (1 - step / steps) / 0.6
        optimizer.step(loss, min((step + 1) / 30, max(LAST_RATE_SHARE, min(1.0, falling))))
        put_back()
        with torch.no_grad():
            decay = min(AVERAGE, (step + 1) / (step + 10))
            torch._foreach_lerp_(list(average.parameters()), list(learnt.parameters()), 1 - decay)
        running = error if step == first else 0.98 * running + 0.02 * error
        if step % 100 == 99 or step == steps - 1:
            vae.decoder.load_state_dict(average.state_dict())
            held_out, linear = decoder_error(vae, buckets[0], basis)
            print(
                f"decoder {step + 1}/{steps} error {running:.4f}, held out {held_out:.4f}"
                f" (linear {linear:.4f}) {time.monotonic() - started:.0f} s",
                flush=True,
            )
            stored = {"learnt": learnt.state_dict(), "average": average.state_dict()}
            stored |= {"optimizer": optimizer.state_dict(), "step": step + 1}
            partial = checkpoint.with_suffix(".partial")
            torch.save(stored, partial)
            partial.replace(checkpoint)
    vae.decoder.load_state_dict(average.state_dict())


assert CROP_PX[0] % FACTOR_PX == CROP_PX[1] % FACTOR_PX == 0
