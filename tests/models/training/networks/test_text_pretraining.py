"""The text encoder learns to name what captions say, and its weights are kept."""

from __future__ import annotations

import random
from pathlib import Path

import torch

from models.training.networks.text import HIDDEN, build_text_encoder, build_tokenizer
from models.training.networks.text_pretraining import AttributeHeads, pretrain
from models.training.subjects import SUBJECTS


def test_every_attribute_of_every_drawn_spec_has_a_place() -> None:
    rng = random.Random(4)
    for subject in SUBJECTS.values():
        heads = AttributeHeads(subject.attributes)
        specs = [subject.sample(rng) for _ in range(300)]
        for name, values in subject.attributes.items():
            truth = heads.truth(name, specs)
            assert [values[index] for index in truth] == [getattr(spec, name) for spec in specs]
            assert set(truth.tolist()) == set(range(len(values)))


def test_heads_guess_each_attribute_once_a_caption() -> None:
    attributes = SUBJECTS["background"].attributes
    guesses = AttributeHeads(attributes)(torch.zeros(3, 7, HIDDEN))
    assert {name: tuple(logits.shape) for name, logits in guesses.items()} == {
        name: (3, len(values)) for name, values in attributes.items()
    }


def test_what_was_learnt_is_read_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    subject = SUBJECTS["background"]
    tokenizer = build_tokenizer(subject, tmp_path, seed=0)
    learnt, read = build_text_encoder(tokenizer), build_text_encoder(tokenizer)
    before = {name: value.clone() for name, value in learnt.state_dict().items()}
    pretrain(subject, tokenizer, learnt, tmp_path, steps=2, seed=0)
    assert any(not torch.equal(value, before[name]) for name, value in learnt.state_dict().items())
    pretrain(subject, tokenizer, read, tmp_path, steps=2, seed=0)
    for name, value in learnt.state_dict().items():
        assert torch.equal(value, read.state_dict()[name])
