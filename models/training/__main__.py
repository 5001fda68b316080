"""Make a bundled model from scratch: `python -m models.training character` (or `background`).

Draws the pictures, fits the latents, trains the denoiser and the decoder, and writes a folder that
`DiffusionPipeline.from_pretrained` opens. Every stage is stored in --work and skipped if it is there, so an
interrupted run continues where it stopped. `draw`, `evaluate`, `judges` and `model_card` are separate
commands: `python -m models.training draw background --out DIR` only writes training pictures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from deployments.diffusion.model.patch_autoencoder import PatchAutoencoder
from models.training import draw, evaluate, judges, model_card, training_pictures
from models.training.known_words_file import write_known_words
from models.training.networks import (
    autoencoder,
    decoder_crops,
    denoised_pictures,
    diffusion,
    sharpening,
    text,
    text_pretraining,
)
from models.training.networks.latents import FILE, PatchBasis
from models.training.subjects import SUBJECTS, Subject
from models.training.training_pictures import Bucket

COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "draw": draw.main,
    "evaluate": evaluate.main,
    "judges": judges.main,
    "model_card": model_card.main,
}


def assemble(
    folder: Path, vae: torch.nn.Module, trainee: diffusion.Trainee, tokenizer: CLIPTokenizer
) -> StableDiffusionPipeline:
    """Save the averaged networks in half precision as a StableDiffusionPipeline, only in safetensors."""
    # Training pads every caption, and the tokenizer would store that setting in its file.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=trainee.text,
        tokenizer=tokenizer,
        unet=trainee.average,
        scheduler=diffusion.build_sampler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True)
    # transformers loads the file's precision, diffusers single precision: unless set, the two would differ.
    config = folder / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2) + "\n")
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # safetensors makes files that only the owner can read
    return pipeline


def same_latents(folder: Path) -> bool:
    """Return whether a model's folder has the kind of latents that is trained here."""
    config = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
    return bool(config["_class_name"] == PatchAutoencoder.__name__)


def train_decoder(
    subject: Subject,
    tokenizer: CLIPTokenizer,
    vae: PatchAutoencoder,
    trainee: diffusion.Trainee,
    buckets: list[Bucket],
    work: Path,
    options: argparse.Namespace,
) -> None:
    """Train the decoder on the drawings' latents, then on the denoiser's, then against a discriminator."""
    looks, seed, device = subject.looks_in_a_round, options.seed, options.device
    shown, basis = buckets[0], PatchBasis.load(work / FILE)
    cut: decoder_crops.Cut = partial(decoder_crops.cut_crops, buckets, looks)
    checkpoint = work / "decoder.pt"
    autoencoder.train_decoder(vae, cut, shown, basis, checkpoint, options.decoder_steps, seed, device)
    if subject.denoised_from:
        denoised = denoised_pictures.denoise_again(subject, tokenizer, trainee, buckets, work, seed, device)
        cut = partial(decoder_crops.cut_mixed_crops, buckets, denoised, looks)
    if steps := subject.refining_steps:
        rate, checkpoint = autoencoder.REFINING_RATE, work / "refining.pt"
        autoencoder.train_decoder(vae, cut, shown, basis, checkpoint, steps, seed, device, rate)
    if steps := subject.sharpening_steps:
        sharpening.sharpen_decoder(vae, cut, shown, basis, work / "sharpening.pt", steps, seed, device)


def main() -> None:
    """Parse the command line and run every stage that is not stored yet, or another command."""
    if command := COMMANDS.get(sys.argv[1] if sys.argv[1:] else ""):
        command(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    parser.add_argument("subject", choices=sorted(SUBJECTS))
    parser.add_argument("--out", type=Path, help="the model's folder (default models/storybook-SUBJECT)")
    parser.add_argument("--work", type=Path, help="checkpoints (default build/training/SUBJECT)")
    parser.add_argument("--start-from", type=Path, help="train a finished model's folder further")
    parser.add_argument(
        "--pictures", type=int, default=3_000, help="most pictures to draw; a subject may have fewer"
    )
    parser.add_argument("--decoder-steps", type=int, default=3_000, help="decoder steps of 16 crops")
    parser.add_argument(
        "--refining-steps", type=int, help="decoder steps on painted latents (default the subject's)"
    )
    parser.add_argument("--sharpening-steps", type=int, help="of the decoder too (default the subject's)")
    parser.add_argument("--text-steps", type=int, default=1_500)
    parser.add_argument("--steps", type=int, default=4_000, help="denoiser steps of 64 pictures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.start_from and not same_latents(options.start_from):
        parser.error(f"{options.start_from} has latents of another kind: train from scratch instead")

    torch.set_num_threads(options.threads)
    subject = SUBJECTS[options.subject]
    for name in ("refining_steps", "sharpening_steps"):
        if (steps := getattr(options, name)) is not None:
            subject = replace(subject, **{name: steps})
    work = options.work or Path("build/training") / subject.name
    out = options.out or Path("models") / f"storybook-{subject.name}"
    work.mkdir(parents=True, exist_ok=True)
    if options.start_from and not (work / FILE).exists():
        # The weights are useless with any other latents or any other vocabulary.
        shutil.copy(options.start_from / FILE, work)
        shutil.copytree(options.start_from / "tokenizer", work / "tokenizer")

    buckets = training_pictures.draw_buckets(subject, work, options.pictures, options.seed)
    tokenizer = text.build_tokenizer(subject, work, options.seed)
    torch.manual_seed(options.seed)
    if options.start_from:
        trained = StableDiffusionPipeline.from_pretrained(options.start_from, dtype=torch.float32)
        vae, trainee = trained.vae, diffusion.Trainee.of(trained.unet, trained.text_encoder)
    else:
        vae = autoencoder.build_autoencoder(PatchBasis.load(work / FILE))
        text_encoder = text.build_text_encoder(tokenizer)
        text_pretraining.pretrain(subject, tokenizer, text_encoder, work, options.text_steps, options.seed)
        trainee = diffusion.Trainee.of(diffusion.build_unet(subject), text_encoder)
    diffusion.train(subject, tokenizer, trainee, buckets, work, options.steps, options.seed, options.device)
    train_decoder(subject, tokenizer, vae, trainee, buckets, work, options)
    assemble(out, vae, trainee, tokenizer)
    shutil.copy(work / FILE, out)
    write_known_words(subject, out)
    print(f"wrote {out}", flush=True)


if __name__ == "__main__":
    main()
