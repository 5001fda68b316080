"""Check the training precision on a CPU with and without bfloat16 instructions."""

from __future__ import annotations

import pytest
import torch

from models.training.networks.mixed_precision import mixed_precision


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_trains_in_bfloat16_only_where_it_has_the_instructions(
    monkeypatch: pytest.MonkeyPatch, fast: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: fast)
    with mixed_precision("cpu"):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype
