"""The file of known words that training writes: every word of its captions, and the suggestions."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from deployments.diffusion.model.known_words import read_known_words, unknown_words
from models.training.known_words_file import write_known_words
from models.training.subjects import SUBJECTS


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_no_caption_holds_an_unknown_word(name: str, tmp_path: Path) -> None:
    subject, rng = SUBJECTS[name], random.Random(99)
    write_known_words(subject, tmp_path, captions=8_000)
    known = read_known_words(tmp_path)
    assert known is not None
    for _ in range(1_000):
        assert unknown_words(subject.caption(subject.sample(rng), rng), known) == []
    for _, offered in known.offers:
        assert unknown_words(" ".join(offered), known) == []
    assert unknown_words("a bicycle of glass", known) == ["bicycle", "glass"]
