"""The tokenizer keeps every known word and accepts any; the text encoder reads its output."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from models.training.networks.text import HIDDEN, MAX_TOKENS, build_text_encoder, build_tokenizer
from models.training.subjects import SUBJECTS


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_tokenizer(SUBJECTS["character"], tmp_path_factory.mktemp("work"), seed=0)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, padding="max_length", truncation=True).input_ids)


def test_captions_survive_the_round_trip(tokenizer: Any) -> None:
    rng = random.Random(6)
    subject = SUBJECTS["character"]
    for _ in range(50):
        caption = subject.caption(subject.sample(rng), rng).lower()
        back = tokenizer.decode(ids_of(tokenizer, caption), skip_special_tokens=True)
        assert back.replace(" ", "") == caption.replace(" ", "")


@pytest.mark.parametrize("text", ["", "zyzzyva quokka", "Ünïcödé 龍 🐉", "a" * 5_000, "knight, " * 500])
def test_unknown_and_overlong_words_fit_the_encoder(tokenizer: Any, text: str) -> None:
    ids = ids_of(tokenizer, text)
    assert len(ids) == MAX_TOKENS
    assert max(ids) < len(tokenizer)


def test_different_words_are_different_tokens(tokenizer: Any) -> None:
    assert ids_of(tokenizer, "a red robe") != ids_of(tokenizer, "a blue robe")
    assert ids_of(tokenizer, "Quokka") == ids_of(tokenizer, "quokka") != ids_of(tokenizer, "zyzzyva")


def test_the_encoder_reads_the_tokens(tokenizer: Any) -> None:
    encoder = build_text_encoder(tokenizer).eval()
    with torch.no_grad():
        words = encoder(torch.tensor([ids_of(tokenizer, "a knight in red armor")])).last_hidden_state
    assert words.shape == (1, MAX_TOKENS, HIDDEN)
