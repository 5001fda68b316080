"""Compute in bfloat16 where the device is faster in it."""

from __future__ import annotations

import torch


def mixed_precision(device: str) -> torch.autocast:
    """Return the context that a network is trained in: bfloat16, or single precision on a CPU without it.

    A CPU without the instructions (AVX512-BF16, AMX) emulates them, many times slower than single precision.
    """
    fast = device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device, torch.bfloat16, enabled=fast)
