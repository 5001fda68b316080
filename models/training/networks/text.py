"""Build a small CLIP tokenizer, trained on the captions, and the text encoder whose output the UNet reads."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from models.training.subjects import Subject

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
HIDDEN = 160
MAX_TOKENS = 77
VOCABULARY = 1_200


def _captions(subject: Subject, count: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(count):
        yield subject.caption(subject.sample(rng), rng)
    # The letters and digits, so that unknown words are split into letters instead of vanishing.
    yield " ".join("abcdefghijklmnopqrstuvwxyz0123456789")
    yield subject.negative_prompt


def build_tokenizer(subject: Subject, folder: Path, seed: int) -> CLIPTokenizer:
    """Build a byte-pair vocabulary in CLIP's own format.

    Raises RuntimeError if it does not survive a round trip.
    """
    target = folder / "tokenizer"
    if not target.exists():
        bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=EOS))
        bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(False)]
        )
        bpe.train_from_iterator(
            _captions(subject, 8_000, seed),
            trainers.BpeTrainer(
                vocab_size=VOCABULARY,
                special_tokens=[BOS, EOS],
                end_of_word_suffix="</w>",
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            ),
        )
        learnt = json.loads(bpe.to_str())["model"]
        vocabulary = dict(learnt["vocab"])
        for letter in pre_tokenizers.ByteLevel.alphabet():
            vocabulary.setdefault(f"{letter}</w>", len(vocabulary))
        merges = [tuple(pair) for pair in learnt["merges"]]
        # Given as files, transformers 5 ignores both and makes a vocabulary of two words.
        CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS).save_pretrained(target)
    tokenizer = CLIPTokenizer.from_pretrained(target)
    if len(tokenizer) < VOCABULARY // 2:
        raise RuntimeError(f"the tokenizer was loaded with only {len(tokenizer)} words")
    return tokenizer


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=4 * HIDDEN,
            projection_dim=HIDDEN,
            num_hidden_layers=3,
            num_attention_heads=5,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
