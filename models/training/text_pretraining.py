"""The text encoder's head start: to tell from the words alone what colours the picture has, roughly where.

Left to the denoiser's loss, a text encoder from nothing takes thousands of steps to say anything, since most
of that loss is about noise. Guessing a picture's latents, averaged over a coarse grid, is the same lesson a
hundred times cheaper: it is what the denoiser must answer where there is nothing but noise.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch.nn.functional import adaptive_avg_pool2d, mse_loss
from transformers import CLIPTextModel, CLIPTokenizer

from models.training.pictures import Bucket
from models.training.subjects import Subject
from models.training.text import HIDDEN

BATCH = 48
GRID = (6, 5)
"""Rows and columns: enough to part the hat from the face from the garment, and the sky from the ground."""
PEAK_RATE = 1.5e-3
WARM_UP_STEPS = 50


def pretrain(
    subject: Subject,
    tokenizer: CLIPTokenizer,
    text: CLIPTextModel,
    buckets: list[Bucket],
    folder: Path,
    steps: int,
    seed: int,
) -> None:
    """AdamW, warm-up and linear decay. The result is stored in `folder`, and read back when it is there."""
    stored = folder / "text.pt"
    if stored.exists():
        text.load_state_dict(torch.load(stored))
        return
    rng = random.Random(seed)
    targets = torch.cat([adaptive_avg_pool2d(bucket.latents.float(), GRID).flatten(1) for bucket in buckets])
    targets = targets - targets.mean(0)
    # One scale for all: what varies little in the pictures is not worth guessing.
    targets = targets / targets.std()
    specs = [spec for bucket in buckets for spec in bucket.specs]
    head = torch.nn.Linear(HIDDEN, targets.shape[1])
    learnt = [*text.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(learnt, lr=PEAK_RATE, weight_decay=0.01, fused=True)
    running = 1.0
    for step in range(steps):
        chosen = rng.sample(range(len(specs)), BATCH)
        captions = [subject.caption(specs[n], rng) for n in chosen]
        # Padded to the full length, as the pipeline does: those tokens are read by the denoiser too.
        tokens = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        guessed = head(text(tokens).last_hidden_state.mean(1))
        loss = mse_loss(guessed, targets[chosen])
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min((step + 1) / WARM_UP_STEPS, max(0.02, 1 - step / steps))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        running = 0.95 * running + 0.05 * loss.item()
        if step % 50 == 49:
            print(f"text {step + 1}/{steps} unexplained variance {running:.3f}", flush=True)
    torch.save(text.state_dict(), stored)
