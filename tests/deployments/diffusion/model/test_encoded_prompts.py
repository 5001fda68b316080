from __future__ import annotations

from typing import Any

import torch

from deployments.diffusion.model.encoded_prompts import EncodedPrompts


def test_equal_arguments_are_encoded_once_and_the_oldest_are_forgotten() -> None:
    made: list[Any] = []

    def encode(*positional: Any, **named: Any) -> Any:
        made.append((positional, named))
        return len(made)

    kept = EncodedPrompts(2)
    device = torch.device("cpu")
    assert [kept.encode(encode, (), "a", device, negative=None) for _ in range(2)] == [1, 1]
    assert kept.encode(encode, (), "a", device, negative="") == 2
    assert kept.encode(encode, (), "a", device, negative=None) == 1, "the last one requested is kept"
    assert kept.encode(encode, (), ["a"], device) == 3
    assert kept.encode(encode, (), "a", device, negative=None) == 1
    assert kept.encode(encode, (), "a", device, negative="") == 4


def test_one_text_read_by_changed_networks_is_another() -> None:
    kept = EncodedPrompts(2)
    made = [kept.encode(lambda text, by=by: text + by, by, "a") for by in ("b", "c", "b")]
    assert made == ["ab", "ac", "ab"]


def test_what_does_not_say_all_of_itself_is_encoded_each_time() -> None:
    kept = EncodedPrompts(8)
    for value in (torch.zeros(2000), torch.zeros(2000) + 1):
        assert kept.encode(lambda embeds: embeds, (), embeds=value) is value


def test_with_no_room_nothing_is_kept() -> None:
    made: list[str] = []
    kept = EncodedPrompts(0)
    for _ in range(2):
        kept.encode(made.append, (), "a")
    assert made == ["a", "a"]
