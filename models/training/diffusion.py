"""The denoiser's training: v-prediction, zero terminal SNR, and the text encoder learnt along with it."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from models.training.latents import CHANNELS, PATCH_PX
from models.training.pictures import Bucket
from models.training.subjects import Subject
from models.training.text import HIDDEN

SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
BATCH = 8
PEAK_RATE = 9e-4
TEXT_RATE_SHARE = 0.2
"""The text encoder comes with what it has to know; it follows the denoiser slowly, lest it forget."""
WARM_UP_STEPS = 200
DECAY_SHARE = 0.25
UNCONDITIONED_SHARE = 0.1
AVERAGE_EVERY = 4
ALL_NOISE_SHARE, NEARLY_ALL_NOISE_SHARE = 0.05, 0.2
"""The light of a whole picture is in so many latents at once that any noise short of the last steps leaves it
readable. Only there do words have to say it, so those steps are practised more often than they come."""


def build_unet(subject: Subject) -> UNet2DConditionModel:
    """The words reach every block twice: by cross-attention, and pooled into the time embedding.

    The pooled ones settle the colours and the light of a picture before attention knows where things are.
    """
    width, height = subject.native_size
    return UNet2DConditionModel(
        sample_size=(height // PATCH_PX, width // PATCH_PX),
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(96, 128, 176),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=HIDDEN,
        attention_head_dim=4,
        norm_num_groups=16,
        addition_embed_type="text",
        addition_embed_type_num_heads=5,
    )


def build_sampler() -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (2M), Lu et al. 2022, on the schedule of Lin et al. 2023 (zero terminal SNR)."""
    return DPMSolverMultistepScheduler(**SCHEDULE, algorithm_type="dpmsolver++", solver_order=2)


@dataclass
class Trainee:
    """The two networks that learn together, and their averaged copies, which are what ships."""

    unet: UNet2DConditionModel
    text: CLIPTextModel
    unet_average: UNet2DConditionModel
    text_average: CLIPTextModel

    @classmethod
    def of(cls, unet: UNet2DConditionModel, text: CLIPTextModel) -> Trainee:
        unet.to(memory_format=torch.channels_last)
        return cls(unet, text, copy.deepcopy(unet), copy.deepcopy(text))

    def parameters(self) -> list[torch.nn.Parameter]:
        return [*self.unet.parameters(), *self.text.parameters()]

    @torch.no_grad()
    def average(self, decay: float) -> None:
        for learnt, averaged in ((self.unet, self.unet_average), (self.text, self.text_average)):
            torch._foreach_lerp_(list(averaged.parameters()), list(learnt.parameters()), 1 - decay)

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in self.__dataclass_fields__}

    def load(self, state: dict[str, Any]) -> None:
        for name in self.__dataclass_fields__:
            getattr(self, name).load_state_dict(state[name])


def learning_rate(step: int, steps: int) -> float:
    """Warm-up, plateau, linear decay; `steps` may be changed when a run is resumed on its plateau."""
    remaining = (steps - step) / (DECAY_SHARE * steps)
    return PEAK_RATE * max(0.01, min(1.0, (step + 1) / WARM_UP_STEPS, remaining))


def draw_timesteps(noise_leaning: tuple[float, float], progress: float) -> torch.Tensor:
    """(BATCH,) timesteps in 0..999; see the constants, and Subject, for what they favour."""
    start, end = noise_leaning
    timesteps = 1000 * torch.rand(BATCH) ** (start + (end - start) * progress)
    kind = torch.rand(BATCH)
    timesteps = torch.where(kind < NEARLY_ALL_NOISE_SHARE, 900 + 100 * torch.rand(BATCH), timesteps)
    timesteps = torch.where(kind < ALL_NOISE_SHARE, 999.0, timesteps)
    return timesteps.long().clamp_max(999)


def caption_batch(subject: Subject, specs: list[Any], rng: random.Random) -> list[str]:
    """Captions anew every time; a tenth are empty or only a negative prompt, for the unguided half."""
    captions = []
    for spec in specs:
        if rng.random() < UNCONDITIONED_SHARE:
            words = subject.negative_prompt.split(", ")
            kept = ", ".join(word for word in words if rng.random() < 0.7)
            captions.append(rng.choice(["", subject.negative_prompt, kept]))
        else:
            captions.append(subject.caption(spec, rng))
    return captions


def batches(buckets: list[Bucket], rng: random.Random) -> Iterator[tuple[torch.Tensor, list[Any]]]:
    """Endless batches, each of one size, every picture once before any twice."""
    orders: list[list[int]] = [[] for _ in buckets]
    shares = [len(bucket.specs) for bucket in buckets]
    while True:
        which = rng.choices(range(len(buckets)), shares)[0]
        if len(orders[which]) < BATCH:
            orders[which] = rng.sample(range(shares[which]), shares[which])
        chosen = [orders[which].pop() for _ in range(BATCH)]
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
) -> None:
    """Train, or go on from the last checkpoint in `folder`, to `steps` steps."""
    noising = DDPMScheduler(**SCHEDULE)
    optimizer = torch.optim.AdamW(
        [
            {"params": list(trainee.unet.parameters()), "share": 1.0},
            {"params": list(trainee.text.parameters()), "share": TEXT_RATE_SHARE},
        ],
        lr=PEAK_RATE,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
    )
    checkpoint, first, trained_s = folder / "diffusion.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        trainee.load(state["trainee"])
        optimizer.load_state_dict(
            state["optimizer"] | {"param_groups": optimizer.state_dict()["param_groups"]}
        )
        first, trained_s = state["step"], state["trained_s"]
    rng = random.Random(seed + first)
    torch.manual_seed(seed + first)
    stream = batches(buckets, rng)
    running, last = 0.0, time.monotonic()
    for step in range(first, steps):
        latents, specs = next(stream)
        tokens = tokenizer(
            caption_batch(subject, specs, rng),
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        ).input_ids
        noise = torch.randn_like(latents)
        timesteps = draw_timesteps(subject.noise_leaning, step / steps)
        noisy = noising.add_noise(latents, noise, timesteps)
        target = noising.get_velocity(latents, noise, timesteps)
        with torch.autocast("cpu", torch.bfloat16):
            words = trainee.text(tokens).last_hidden_state
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            predicted = trainee.unet(noisy, timesteps, words).sample
        loss = torch.nn.functional.mse_loss(predicted.float(), target)
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(step, steps)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
        if step % AVERAGE_EVERY == 0:
            trainee.average(min(0.9985, (step + 1) / (step + 12)) ** AVERAGE_EVERY)
        running = loss.item() if step == first else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 49 or step == steps - 1:
            now = time.monotonic()
            trained_s, last = trained_s + now - last, now
            print(f"step {step + 1}/{steps} loss {running:.4f} {trained_s:.0f} s", flush=True)
        if step % 200 == 199 or step == steps - 1:
            stored = {"trainee": trainee.state(), "optimizer": optimizer.state_dict()}
            partial = checkpoint.with_suffix(".partial")
            torch.save(stored | {"step": step + 1, "trained_s": trained_s}, partial)
            partial.replace(checkpoint)
