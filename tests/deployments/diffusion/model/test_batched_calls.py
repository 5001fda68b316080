"""Share a forward between calls that may share one; each gets the same result as alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel, QwenImageTransformer2DModel, ZImageTransformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

from deployments.diffusion.model.batched_calls import Call, CallReader, RowRules, run_together
from deployments.diffusion.model.families import family_named


class Summing(torch.nn.Module):
    """Take a denoiser's arguments, and add them up row by row. `seen`: the rows of each forward."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(
        self, hidden_states: Any, timestep: Any = None, condition: Any = None, return_dict: bool = True
    ) -> Any:
        self.seen.append(len(hidden_states))
        total = hidden_states.sum(dim=1)
        if timestep is not None:
            total = total + timestep
        for part in _tensors(condition):
            total = total + part.reshape(len(part), -1).sum(dim=1)
        return UNet2DConditionOutput(sample=total) if return_dict else (total,)


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for entry in entries for tensor in _tensors(entry)]


def rules_of(family: str) -> RowRules:
    named = family_named(family)
    return RowRules(named.shared, named.row_lists)


def read(
    *positional: Any, network: Any = Summing, family: str = "sd1", exact: bool = False, **named: Any
) -> Call:
    return CallReader(network.forward, rules_of(family), exact).read(positional, named)


def rows(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def shared(network: Any, *calls: Call, filled: int = 0) -> list[Any]:
    """Return the calls' results from one forward. Raises AssertionError unless they may share it."""
    assert len({call.key for call in calls}) == 1
    return run_together(network, calls, filled)


@pytest.mark.parametrize("filled", [0, 8])
def test_each_call_gets_its_own_rows(filled: int) -> None:
    network = Summing()
    calls = [read(rows(n, 3, seed=n), torch.arange(n), return_dict=False) for n in (1, 2, 1)]
    for call, (response,) in zip(calls, shared(network, *calls, filled=filled), strict=True):
        assert torch.equal(response, network(*call.positional)["sample"])
    assert network.seen[0] == max(4, filled)


def test_a_call_alone_is_made_as_it_is() -> None:
    made: list[Any] = []
    sample, timestep = rows(2, 3), torch.tensor(7)

    def network(*positional: Any, **named: Any) -> Any:
        made.append((positional, named))
        return "untouched"

    assert shared(network, read(sample, timestep, return_dict=False)) == ["untouched"]
    assert made[0][0][0] is sample and made[0][0][1] is timestep


def test_each_call_gets_its_answer_in_its_own_form() -> None:
    network = Summing()
    calls = [
        read(rows(1, 3), torch.arange(1), return_dict=False),
        read(rows(2, 3), torch.arange(2)),
        read(rows(1, 3), torch.arange(1), return_dict=True),
    ]
    in_tuple, left_out, in_dict = shared(network, *calls)
    assert network.seen == [4]
    assert isinstance(in_tuple, tuple) and torch.equal(in_tuple[0], in_dict.sample)
    assert torch.equal(left_out.sample, rows(2, 3).sum(dim=1) + torch.arange(2))


def test_one_timestep_for_all_rows_may_share_with_one_for_each() -> None:
    network = Summing()
    calls = [read(rows(2, 3), torch.tensor(5)), read(rows(3, 3), torch.tensor([1, 2, 3]))]
    one, each = shared(network, *calls)
    assert torch.equal(one.sample, rows(2, 3).sum(dim=1) + 5)
    assert torch.equal(each.sample, rows(3, 3).sum(dim=1) + torch.tensor([1, 2, 3]))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_states": rows(2, 4)},
        {"hidden_states": rows(2, 3).double()},
        {"condition": None},
        {"condition": {"a": rows(2, 5), "b": rows(2, 1)}},
        {"condition": {"a": rows(2, 6)}},
        {"condition": rows(2, 5)},
        {"upcast": 1},
        {"upcast": False},
    ],
)
def test_what_differs_in_kind_does_not_share(changes: dict[str, Any]) -> None:
    call: dict[str, Any] = {"hidden_states": rows(2, 3), "condition": {"a": rows(2, 5)}, "upcast": True}
    assert (
        read(**call).key == read(**call | {"hidden_states": rows(1, 3), "condition": {"a": rows(1, 5)}}).key
    )
    assert read(**call).key != read(**call | changes).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.5, 0.25),
        ("a", "b"),
        (np.zeros(2000), np.r_[np.zeros(1000), 1.0, np.zeros(999)]),
        (torch.tensor(0.5), torch.tensor(0.25)),
        (torch.zeros(7), torch.ones(7)),
        (True, 1),
        ([1, 2], [1, 3]),
    ],
)
def test_what_has_no_row_axis_shares_by_its_value(one: Any, other: Any) -> None:
    """An array's repr omits its middle; an object of unknown value shares only with itself."""
    assert read(rows(2, 3), condition=one).key == read(rows(2, 3, seed=1), condition=one).key
    assert read(rows(2, 3), condition=one).key != read(rows(2, 3), condition=other).key


def test_entries_of_a_list_that_have_rows_are_joined_entry_by_entry() -> None:
    """ControlNet's residuals or IP-Adapter's references may have as many entries as there are rows."""
    network = Summing()
    calls = [
        read(rows(2, 3), condition={"down": [rows(2, 4, seed=n), rows(2, 6, seed=n)], "mid": (rows(2, 5),)})
        for n in range(2)
    ]
    for call, response in zip(calls, shared(network, *calls), strict=True):
        assert torch.allclose(response.sample, network(**call.keywords, hidden_states=rows(2, 3)).sample)


class Listed(torch.nn.Module):
    """Take lists with one entry per row, as Z-Image, which pads them itself."""

    def forward(self, x: list[torch.Tensor], cap_feats: list[torch.Tensor]) -> tuple[list[torch.Tensor]]:
        return ([one * words.sum() for one, words in zip(x, cap_feats, strict=True)],)


def test_lists_of_one_entry_a_row_are_put_one_behind_the_other() -> None:
    network = Listed()
    calls = [
        read([rows(1, 2, seed=n)] * n, [rows(7 + n, 4, seed=n)] * n, network=Listed, family="z-image")
        for n in (1, 2, 3)
    ]
    for call, (response,) in zip(calls, shared(network, *calls, filled=9), strict=True):
        [alone] = network(*call.positional)
        assert len(response) == call.rows
        assert all(map(torch.equal, response, alone))


def test_exactly_the_same_needs_lists_of_equal_lengths() -> None:
    """A network pads them to the longest, so a picture would depend on its peers."""

    def key(words: int, exact: bool) -> Any:
        return read([rows(1, 2)], [rows(words, 4)], network=Listed, family="z-image", exact=exact).key

    assert key(7, exact=False) == key(9, exact=False)
    assert key(7, exact=True) == key(7, exact=True) != key(9, exact=True)


def flux() -> Any:
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    ).eval()


def flux_call(seed: int, shift: float = 0.0, tokens: int = 4) -> Call:
    return CallReader(FluxTransformer2DModel.forward, rules_of("flux-dev")).read(
        (),
        {
            "hidden_states": rows(1, tokens, 16, seed=seed),
            "timestep": torch.tensor([0.1 * seed]),
            "guidance": torch.tensor([1.0 + seed]),
            "pooled_projections": rows(1, 32, seed=seed),
            "encoder_hidden_states": rows(1, 5, 32, seed=seed),
            "txt_ids": torch.zeros(5, 3),
            "img_ids": torch.arange(3.0 * tokens).reshape(tokens, 3) + shift,
            "return_dict": False,
        },
    )


@torch.inference_mode()
@pytest.mark.parametrize("tokens", [4, 1])
def test_fluxs_positions_are_shared_where_their_values_are_equal(tokens: int) -> None:
    """One token per picture is the hard case: the positions are then as long as the number of rows."""
    network = flux()
    calls = [flux_call(seed, tokens=tokens) for seed in (1, 2, 3)]
    for call, (response,) in zip(calls, shared(network, *calls), strict=True):
        assert torch.allclose(response, network(**call.keywords)[0], atol=1e-5)
    assert flux_call(1, shift=1.0, tokens=tokens).key != calls[0].key


@torch.inference_mode()
def test_z_images_texts_may_be_of_unequal_length() -> None:
    torch.manual_seed(0)
    network: Any = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    ).eval()
    for name, weights in network.named_parameters():
        if "pad_token" in name:  # Uninitialised: made by torch.empty.
            torch.nn.init.normal_(weights)
    calls = [
        CallReader(type(network).forward, rules_of("z-image")).read(
            ([rows(16, 1, 4, 4, seed=words)], torch.tensor([0.3]), [rows(words, 16, seed=words)]),
            {"return_dict": False},
        )
        for words in (7, 19, 11)
    ]
    for call, (response,) in zip(calls, shared(network, *calls), strict=True):
        assert torch.allclose(response[0], network(*call.positional, return_dict=False)[0][0], atol=1e-5)


@torch.inference_mode()
def test_qwen_images_texts_share_at_equal_length() -> None:
    torch.manual_seed(0)
    network: Any = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    ).eval()

    def call(seed: int, words: int) -> Call:
        return CallReader(type(network).forward, rules_of("qwen-image")).read(
            (),
            {
                "hidden_states": rows(1, 4, 16, seed=seed),
                "timestep": torch.tensor([0.2 * seed]),
                "encoder_hidden_states": rows(1, words, 16, seed=seed),
                "encoder_hidden_states_mask": torch.ones(1, words, dtype=torch.long),
                "img_shapes": [[(1, 2, 2)]],
                "return_dict": False,
            },
        )

    calls = [call(seed, 9) for seed in (1, 2)]
    for each, (response,) in zip(calls, shared(network, *calls), strict=True):
        assert torch.allclose(response, network(**each.keywords)[0], atol=1e-5)
    assert call(1, 8).key != calls[0].key


@pytest.mark.parametrize("network", [lambda x: None, lambda x: {"a": None, "b": x}, lambda x: [x, (x, None)]])
def test_answers_of_any_make_are_taken_apart(network: Callable[[Any], Any]) -> None:
    calls = [CallReader(lambda self, x: None, RowRules()).read((rows(n, 2, seed=n),), {}) for n in (1, 2)]
    responses = run_together(network, calls)
    for call, response in zip(calls, responses, strict=True):
        assert str(response) == str(network(call.positional[0]))
