"""Train the denoiser: v-prediction with zero terminal SNR, using Muon, on latents of whole pictures."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel, CLIPTokenizer

from deployments.diffusion.model.patch_autoencoder import FACTOR_PX
from models.training.networks.mixed_precision import mixed_precision
from models.training.networks.muon import MuonAdamW
from models.training.networks.text import HIDDEN
from models.training.subjects import Subject
from models.training.training_pictures import Bucket

SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
BATCH = 64
RATE = 2e-3
WARM_UP_STEPS = 50
LAST_RATE_SHARE = 0.02
AVERAGE = 0.998
UNCONDITIONED_SHARE = 0.1
NOISY_SHARE, ALL_NOISE_SHARE = 0.6, 0.06
"""Shares of timesteps around 650, where shapes form, and at 999, where only the words set the light."""


def build_unet(subject: Subject) -> UNet2DConditionModel:
    """Build a UNet of 9.7 M parameters.

    The words reach every block twice: by cross-attention, and pooled into the time embedding. The pooled ones
    settle the colours and the light of a picture before attention knows where things are.
    """
    width, height = subject.native_size
    unet = UNet2DConditionModel(
        sample_size=(height // FACTOR_PX, width // FACTOR_PX),
        in_channels=subject.latent_channels,
        out_channels=subject.latent_channels,
        block_out_channels=(96, 192),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=HIDDEN,
        attention_head_dim=4,
        norm_num_groups=16,
        addition_embed_type="text",
        addition_embed_type_num_heads=5,
    )
    # The fused attention's backward pass takes a third of a training step on a CPU.
    unet.set_attn_processor(AttnProcessor())
    return unet.to(memory_format=torch.channels_last)


def build_sampler() -> DPMSolverMultistepScheduler:
    """Build DPM-Solver++ (2M), Lu et al. 2022, on the schedule of Lin et al. 2023 (zero terminal SNR)."""
    return DPMSolverMultistepScheduler(**SCHEDULE, algorithm_type="dpmsolver++", solver_order=2)


@dataclass
class Trainee:
    """The network being trained, its averaged copy, which ships, and the text encoder, which is frozen."""

    unet: UNet2DConditionModel
    average: UNet2DConditionModel
    text: CLIPTextModel

    @classmethod
    def of(cls, unet: UNet2DConditionModel, text: CLIPTextModel) -> Trainee:
        """Start from these networks."""
        return cls(unet, copy.deepcopy(unet).requires_grad_(False), text.requires_grad_(False))

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the averaged weights towards the learnt ones."""
        torch._foreach_lerp_(list(self.average.parameters()), list(self.unet.parameters()), 1 - decay)


def rate_share(step: int, steps: int) -> float:
    """Return the share of the peak rate: warm-up, a plateau for half the run, then a line down."""
    falling = (1 - step / steps) / 0.5
    return min((step + 1) / WARM_UP_STEPS, max(LAST_RATE_SHARE, min(1.0, falling)))


def draw_timesteps(count: int) -> torch.Tensor:
    """Draw (count,) timesteps in 0..999: logistic-normal around 650, even, and the last one."""
    noisy = torch.sigmoid(torch.randn(count) * 0.8 + 0.6) * 1000
    timesteps = torch.where(torch.rand(count) < NOISY_SHARE, noisy, torch.rand(count) * 1000)
    timesteps = torch.where(torch.rand(count) < ALL_NOISE_SHARE, 999.0, timesteps)
    return timesteps.long().clamp(0, 999)


def caption_batch(subject: Subject, specs: list[Any], rng: random.Random) -> tuple[list[str], list[bool]]:
    """Write a new caption for each spec, and return which captions describe their picture.

    A tenth are empty or only a negative prompt, for the unguided prediction.
    """
    captions, described = [], []
    for spec in specs:
        described.append(rng.random() >= UNCONDITIONED_SHARE)
        if described[-1]:
            captions.append(subject.caption(spec, rng))
        else:
            words = subject.negative_prompt.split(", ")
            kept = ", ".join(word for word in words if rng.random() < 0.7)
            captions.append(rng.choice(["", subject.negative_prompt, kept]))
    return captions, described


def share_guidance(
    target: torch.Tensor, without: torch.Tensor, described: torch.Tensor, share: float
) -> torch.Tensor:
    """Return targets (n, c, h, w) with this share of what words add to `without`, the unguided predictions.

    Classifier-free guidance multiplies what the words add. A model that learns 0.4 of it paints at a guidance
    of 7.5 what another paints at 3, where colours are even. Pictures that are not `described`, (n,), keep
    their target: they teach the unguided prediction.
    """
    shared = without + share * (target - without)
    return torch.where(described.to(target.device)[:, None, None, None], shared, target)


def batches(
    buckets: list[Bucket], looks: Callable[[Any], int], rng: random.Random
) -> Iterator[tuple[torch.Tensor, list[Any]]]:
    """Yield endless batches, each of one size; a round shows each picture as often as `looks` returns."""
    rounds = [[n for n, spec in enumerate(bucket.specs) for _ in range(looks(spec))] for bucket in buckets]
    orders: list[list[int]] = [[] for _ in buckets]
    counts = [len(shown) for shown in rounds]
    while True:
        which = rng.choices(range(len(buckets)), counts)[0]
        size = min(BATCH, counts[which])
        if len(orders[which]) < size:
            orders[which] = rng.sample(rounds[which], counts[which])
        chosen = [orders[which].pop() for _ in range(size)]
        bucket = buckets[which]
        yield bucket.latents[chosen].float(), [bucket.specs[n] for n in chosen]


def train(
    subject: Subject,
    tokenizer: CLIPTokenizer,
    trainee: Trainee,
    buckets: list[Bucket],
    folder: Path,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> None:
    """Train to `steps` steps of 64 pictures, from the last checkpoint in `folder` if there is one.

    `steps` may be raised while a run is in its first half, before the learning rate falls.
    """
    noising = DDPMScheduler(**SCHEDULE)
    for network in (trainee.unet, trainee.average, trainee.text):
        network.to(device)
    optimizer = MuonAdamW(trainee.unet, ("conv_in", "conv_out"), RATE, RATE)
    checkpoint, first, trained_s = folder / "diffusion.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        trainee.unet.load_state_dict(state["unet"])
        trainee.average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first, trained_s = state["step"], state["trained_s"]
    rng = random.Random(seed + first)
    torch.manual_seed(seed + first)
    stream = batches(buckets, subject.looks_in_a_round, rng)

    def tokenize(captions: list[str]) -> torch.Tensor:
        tokens = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        return cast(torch.Tensor, tokens.input_ids)

    running, last = 0.0, time.monotonic()
    for step in range(first, steps):
        latents, specs = next(stream)
        captions, described = caption_batch(subject, specs, rng)
        tokens = tokenize([*captions, subject.negative_prompt])
        noise, timesteps = torch.randn_like(latents), draw_timesteps(len(latents))
        noisy = noising.add_noise(latents, noise, timesteps).to(device)
        target = noising.get_velocity(latents, noise, timesteps).to(device)
        with mixed_precision(device):
            with torch.no_grad():
                words, unguided = trainee.text(tokens.to(device)).last_hidden_state.split([len(captions), 1])
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            if subject.guidance_share < 1:
                with torch.no_grad():
                    unguided = unguided.expand(len(captions), -1, -1)
                    without = trainee.average(noisy, timesteps.to(device), unguided).sample.float()
                target = share_guidance(target, without, torch.tensor(described), subject.guidance_share)
            predicted = trainee.unet(noisy, timesteps.to(device), words).sample
        loss = torch.nn.functional.mse_loss(predicted.float(), target)
        optimizer.step(loss, rate_share(step, steps))
        trainee.update_average(min(AVERAGE, (step + 1) / (step + 10)))
        running = loss.item() if step == first else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 49 or step == steps - 1:
            now = time.monotonic()
            trained_s, last = trained_s + now - last, now
            print(f"step {step + 1}/{steps} loss {running:.4f} {trained_s:.0f} s", flush=True)
        if step % 50 == 49 or step == steps - 1:
            stored = {"unet": trainee.unet.state_dict(), "average": trainee.average.state_dict()}
            stored |= {"optimizer": optimizer.state_dict(), "step": step + 1, "trained_s": trained_s}
            partial = checkpoint.with_suffix(".partial")
            torch.save(stored, partial)
            partial.replace(checkpoint)
    for network in (trainee.unet, trainee.average, trainee.text):
        network.to("cpu")
