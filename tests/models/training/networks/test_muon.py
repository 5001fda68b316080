"""Muon: updates of equal strength in every direction, on matrices and kernels alike."""

from __future__ import annotations

import copy

import torch

from models.training.networks.muon import Muon, MuonAdamW, orthogonalize, split_parameters


def test_singular_values_come_near_one_whatever_they_were() -> None:
    torch.manual_seed(0)
    for shape in ((8, 32), (32, 8), (16, 16)):
        skewed = torch.randn(shape) * torch.logspace(0, 1, shape[1])
        values = torch.linalg.svdvals(orthogonalize(skewed))
        assert values.min() > 0.3
        assert values.max() < 1.3


def test_a_kernel_is_updated_as_the_matrix_it_is_in_either_memory_layout() -> None:
    torch.manual_seed(0)
    weight, gradient = torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3)
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        parameter = torch.nn.Parameter(weight.clone().to(memory_format=layout))
        parameter.grad = gradient.clone().to(memory_format=layout)
        Muon([parameter], lr=0.1).step()
        results.append(parameter.detach().contiguous())
    assert torch.allclose(results[0], results[1], atol=1e-6)
    assert not torch.allclose(results[0], weight, atol=1e-3)


def test_what_has_no_gradient_stays() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    Muon([parameter], lr=0.1).step()
    assert torch.equal(parameter, torch.ones(2, 2))


def test_inputs_outputs_and_vectors_are_left_to_adam() -> None:
    network = torch.nn.Sequential(*(torch.nn.Linear(3, 3) for _ in range(3)))
    hidden, rest = split_parameters(network, ("0", "2"))
    assert [id(p) for p in hidden] == [id(network[1].weight)]
    assert len(rest) == 5


def make_network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 16), torch.nn.Linear(16, 2)
    )


def loss_of(network: torch.nn.Module) -> torch.Tensor:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    return (network(x) - torch.stack([x.sum(1), x[:, 0]], 1)).pow(2).mean()


def test_both_together_learn_and_resume_exactly() -> None:
    network = make_network()
    optimizer = MuonAdamW(network, ("0", "3"), 0.02, 0.02)
    before = loss_of(network).item()
    for _ in range(30):
        optimizer.step(loss_of(network), 1.0)
    assert loss_of(network).item() < 0.2 * before

    resumed = copy.deepcopy(network)
    second = MuonAdamW(resumed, ("0", "3"), 0.02, 0.02)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    optimizer.step(loss_of(network), 0.5)
    second.step(loss_of(resumed), 0.5)
    for one, other in zip(network.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
