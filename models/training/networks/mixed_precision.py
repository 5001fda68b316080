"""Compute in bfloat16 where the device is faster in it."""

from __future__ import annotations

import torch


def is_fast_in_bfloat16(device: str) -> bool:
    """Return whether bfloat16 is faster there than single precision.

    A CPU without the instructions (AVX512-BF16, AMX) emulates them, and is ten times slower.
    """
    return device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def mixed_precision(device: str) -> torch.autocast:
    """Return the context that a network is trained in: bfloat16 where that is faster."""
    return torch.autocast(device, torch.bfloat16, enabled=is_fast_in_bfloat16(device))
