"""Teach the bundled character model a style, in a few minutes on a laptop.

`python -m examples.train_lora loras/ink.safetensors` writes it.

It draws figures in ink and sepia, and fits a LoRA that gives the model's own figures this style. It follows
diffusers' usual recipe: a LoRA of the attention and convolutions, the model's own noise schedule, and Adam.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, DiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image

from models.training.subjects import SUBJECTS
from models.training.training_pictures import to_tensor

MODEL = Path(__file__).parents[1] / "models/storybook-character"
LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "conv1", "conv2", "conv_out"]
PAPER, INK = np.array([236, 222, 196]), np.array([58, 38, 26])
BACKDROP = 18
"""A pixel within so many levels of the first one is backdrop, and is kept, since figures are cut out."""


def in_ink(picture: Image.Image) -> Image.Image:
    """Return a drawn figure in ink and sepia."""
    pixels = np.asarray(picture, dtype=np.float32)
    light = np.asarray(picture.convert("L"), dtype=np.float32)[..., None] / 255
    figure = np.abs(pixels - pixels[0, 0]).max(axis=-1, keepdims=True) > BACKDROP
    return Image.fromarray(np.where(figure, INK + light * (PAPER - INK), pixels).round().astype(np.uint8))


def train(pictures: int, steps: int, batch: int, rank: int) -> dict[str, torch.Tensor]:
    """Fit the LoRA, and return its tensors by their names in diffusers."""
    torch.manual_seed(0)
    rng = random.Random(0)  # noqa: S311
    subject = SUBJECTS["character"]
    pipeline = DiffusionPipeline.from_pretrained(MODEL)
    specs = [subject.sample_for_training(rng) for _ in range(pictures)]
    drawn = torch.stack([to_tensor(in_ink(subject.draw(spec, *subject.native_size))) for spec in specs])
    with torch.no_grad():
        latents = pipeline.vae.encode(drawn).latents * pipeline.vae.config.scaling_factor
    noising = DDPMScheduler.from_config(pipeline.scheduler.config)
    unet = pipeline.unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=LAYERS))
    learnt = [weight for weight in unet.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    began = time.monotonic()
    for step in range(steps):
        chosen = rng.sample(range(pictures), batch)
        captions = [subject.caption(specs[number], rng) for number in chosen]
        tokens = pipeline.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        clean, noise = latents[chosen], torch.randn_like(latents[chosen])
        timesteps = torch.randint(0, 1000, (batch,))
        with torch.no_grad():
            words = pipeline.text_encoder(tokens.input_ids).last_hidden_state
        guessed = unet(noising.add_noise(clean, noise, timesteps), timesteps, words).sample
        loss = torch.nn.functional.mse_loss(guessed, noising.get_velocity(clean, noise, timesteps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 19:
            print(f"step {step + 1} of {steps}, loss {loss.item():.3f}, {time.monotonic() - began:.0f} s")
    return get_peft_model_state_dict(unet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path, help="LoRA file to write: NAME.safetensors")
    parser.add_argument("--pictures", type=int, default=240, help="training pictures to draw")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8, help="pictures per step")
    parser.add_argument("--rank", type=int, default=8)
    options = parser.parse_args()
    tensors = train(options.pictures, options.steps, options.batch, options.rank)
    options.file.parent.mkdir(parents=True, exist_ok=True)
    DiffusionPipeline.from_pretrained(MODEL).save_lora_weights(
        options.file.parent, unet_lora_layers=tensors, weight_name=options.file.name
    )
    print(f"wrote {options.file}")


if __name__ == "__main__":
    main()
