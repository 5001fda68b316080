"""Sharpen a trained decoder against a discriminator, which learns to distinguish its patches from drawn ones.

The mean error that trains the decoder is least for a blurred edge wherever the edge's place is uncertain. The
discriminator notices the blur (Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial
Networks", section 3.2.2).
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import l1_loss, leaky_relu, relu

from deployments.diffusion.model.patch_autoencoder import COLOURS, PatchAutoencoder
from models.training.networks.autoencoder import (
    begin,
    decode_to_train,
    decoder_error,
    follow,
    rate_share,
    reconstruction_loss,
    resume,
    store,
)
from models.training.networks.decoder_crops import Cut
from models.training.networks.latents import PatchBasis
from models.training.networks.mixed_precision import mixed_precision
from models.training.training_pictures import Bucket

RATE = 4e-4
DISCRIMINATOR_RATE = 6e-4
SHARE = 0.6
"""The discriminator's part in the gradient at the pixels, as a multiple of the reconstruction's."""
FIRST_STEPS = 150
"""Steps in which the discriminator learns, and the decoder hardly changes."""
RISING_STEPS = 200
SLOW_SHARE = 0.05
_MOST_AMPLIFIED = 10.0

Judged = tuple[list[torch.Tensor], list[torch.Tensor]]


class Discriminator(nn.Module):
    """Convolutions that judge patches of 18 and 46 pixels: above 0 for drawn ones, below for decoded ones."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(COLOURS, 32, 4, 2, 1),
                nn.Conv2d(32, 64, 4, 2, 1),
                nn.Conv2d(64, 96, 3, 1, 1),
                nn.Conv2d(96, 96, 4, 2, 1),
            ]
        )
        self.small = nn.Conv2d(64, 1, 3, 1, 1)
        self.large = nn.Conv2d(96, 1, 3, 1, 1)

    def forward(self, pixels: torch.Tensor) -> Judged:
        """Return the verdicts on patches of both sizes, and every layer's features, for (n, 3, h, w)."""
        features, x = [], pixels
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.2)
            features.append(x)
        return [self.small(features[1]), self.large(x)], features


def deceiving_loss(decoded: Judged, drawn: Judged) -> torch.Tensor:
    """Return what the decoder minimizes: verdicts against it, and features unlike those of the drawing."""
    verdicts = torch.stack([verdict.float().mean() for verdict in decoded[0]])
    pairs = zip(decoded[1], drawn[1], strict=True)
    return torch.stack([l1_loss(mine, theirs).float() for mine, theirs in pairs]).mean() - verdicts.sum()


def judging_loss(decoded: Judged, drawn: Judged) -> torch.Tensor:
    """Return the discriminator's hinge loss."""
    pairs = zip(decoded[0], drawn[0], strict=True)
    return torch.stack([relu(1 + mine).mean() + relu(1 - theirs).mean() for mine, theirs in pairs]).sum()


def balanced_gradient(
    pixels: torch.Tensor, reconstruction: torch.Tensor, deception: torch.Tensor, share: float
) -> torch.Tensor:
    """Return the gradient of both losses at the decoded pixels, the second at `share` of the first's norm.

    Esser et al. 2021, "Taming Transformers", section 3.1, balance the same two losses at the last layer.
    """
    (near,) = torch.autograd.grad(reconstruction, pixels, retain_graph=True)
    (sharp,) = torch.autograd.grad(deception, pixels, retain_graph=True)
    amplified = (near.norm() / (sharp.norm() + 1e-8)).clamp(max=_MOST_AMPLIFIED)
    balanced: torch.Tensor = near + share * amplified * sharp
    return balanced


def sharpen_decoder(
    vae: PatchAutoencoder,
    cut: Cut,
    held_out: Bucket,
    basis: PatchBasis,
    checkpoint: Path,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> None:
    """Train the decoder's details and a discriminator in turn. Resumes from its checkpoint.

    Prints the error on the pictures of `held_out` that no crop shows. Leaves the averaged weights in `vae`.
    """
    learnt, parts = begin(vae, RATE, device)
    torch.manual_seed(seed)
    judge = Discriminator().to(device)
    judging = torch.optim.AdamW(judge.parameters(), DISCRIMINATOR_RATE, betas=(0.5, 0.99), weight_decay=0)
    parts |= {"judge": judge, "judging": judging}
    average, optimizer = parts["average"], parts["optimizer"]
    first = resume(parts, checkpoint, device)
    crops = cut(torch.Generator().manual_seed(seed + first))
    started = time.monotonic()
    for step in range(first, steps):
        latents, pixels = next(crops)
        pixels = pixels.to(device, memory_format=torch.channels_last)
        painted = decode_to_train(learnt, latents, device)
        with mixed_precision(device):
            judge.requires_grad_(False)
            drawn, decoded = judge(pixels), judge(painted)
            share = SHARE * min(1.0, max(0.0, (step - FIRST_STEPS) / RISING_STEPS))
            deception = deceiving_loss(decoded, drawn)
        gradient = balanced_gradient(painted, reconstruction_loss(painted, pixels), deception, share)
        rate = rate_share(step, steps) * (SLOW_SHARE if step < FIRST_STEPS else 1.0)
        optimizer.step((painted * gradient.detach()).sum(), rate)
        judge.requires_grad_(True)
        judging.zero_grad()
        with mixed_precision(device):
            loss = judging_loss(judge(painted.detach()), judge(pixels))
        loss.backward()
        judging.step()
        follow(average, learnt.details, step)
        if step % 100 == 99 or step == steps - 1:
            vae.details.load_state_dict(average.state_dict())
            unseen, _ = decoder_error(vae, held_out, basis)
            taken = time.monotonic() - started
            print(f"sharpening {step + 1}/{steps} held out {unseen:.4f} {taken:.0f} s", flush=True)
            store(parts, checkpoint, step + 1)
    vae.details.load_state_dict(average.state_dict())
