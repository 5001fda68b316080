"""Compute in bfloat16 if the device is faster with it."""

from __future__ import annotations

import torch


def is_fast_in_bfloat16(device: str) -> bool:
    """Return whether bfloat16 is faster than single precision on this device.

    A CPU without the instructions (AVX512-BF16, AMX) emulates them, and is ten times slower.
    """
    return device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def mixed_precision(device: str) -> torch.autocast:
    """Return the context to train a network in: bfloat16 if that is faster."""
    return torch.autocast(device, torch.bfloat16, enabled=is_fast_in_bfloat16(device))
