"""Pretrain the text encoder to predict, from a caption alone, everything it says about a picture.

Trained only by the denoiser's loss, a text encoder learns the nouns but never which of three colours is the
garment's: most of that loss is about noise, and a wrong colour costs little of the rest. Naming the
attributes of a caption teaches the same a thousand times more cheaply, and needs no pictures.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import CLIPTextModel, CLIPTokenizer

from models.training.networks.text import HIDDEN
from models.training.subjects import Subject

BATCH = 64
PEAK_RATE = 1.5e-3
WARM_UP_STEPS = 50
FULL_LENGTH_SHARE = 0.25
"""The share of batches padded to the full length, as the denoiser reads them; shorter ones save time."""


class AttributeHeads(torch.nn.Module):
    """One linear classifier for each attribute, on the mean over the tokens (batch, length, HIDDEN)."""

    def __init__(self, attributes: Mapping[str, tuple[Any, ...]]) -> None:
        super().__init__()
        self.values = dict(attributes)
        self.heads = torch.nn.ModuleDict(
            {name: torch.nn.Linear(HIDDEN, len(v)) for name, v in attributes.items()}
        )

    def forward(self, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        pooled = hidden.mean(1)
        return {name: head(pooled) for name, head in self.heads.items()}

    def truth(self, name: str, specs: list[Any]) -> torch.Tensor:
        """Return (batch,): the index of each spec's value."""
        return torch.tensor([self.values[name].index(getattr(spec, name)) for spec in specs])


def pretrain(
    subject: Subject, tokenizer: CLIPTokenizer, text: CLIPTextModel, folder: Path, steps: int, seed: int
) -> None:
    """Train with AdamW, a warm-up and a linear decay.

    The result is stored in `folder`, and read back if it is there.
    """
    stored = folder / "text.pt"
    if stored.exists():
        text.load_state_dict(torch.load(stored))
        return
    rng = random.Random(seed)
    heads = AttributeHeads(subject.attributes)
    learnt = [*text.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(learnt, lr=PEAK_RATE, weight_decay=0.01, fused=True)
    right = dict.fromkeys(subject.attributes, 0.0)
    for step in range(steps):
        specs = [subject.sample_for_training(rng) for _ in range(BATCH)]
        captions = [subject.caption(spec, rng) for spec in specs]
        padding = "max_length" if rng.random() < FULL_LENGTH_SHARE else "longest"
        tokens = tokenizer(captions, padding=padding, truncation=True, return_tensors="pt").input_ids
        guessed = heads(text(tokens).last_hidden_state)
        losses = []
        for name, logits in guessed.items():
            truth = heads.truth(name, specs)
            losses.append(cross_entropy(logits, truth))
            share = (logits.argmax(1) == truth).float().mean().item()
            right[name] = share if step == 0 else 0.95 * right[name] + 0.05 * share
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min((step + 1) / WARM_UP_STEPS, max(0.02, 1 - step / steps))
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        if step % 50 == 49:
            named = ", ".join(f"{name} {share:.2f}" for name, share in right.items())
            print(f"text {step + 1}/{steps} named correctly: {named}", flush=True)
    torch.save(text.state_dict(), stored)
