"""Define a LoRA as a device holds it, and its use for one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployments.messages import LoraUse


@dataclass(frozen=True, eq=False)
class LoraWeights:
    """A LoRA on the model's device: its changes to each network's layers, by their names."""

    networks: Mapping[str, Mapping[str, Any]]
    size_bytes: int


@dataclass(frozen=True)
class PictureLora:
    """A LoRA that changes one picture."""

    use: LoraUse
    weights: LoraWeights = field(compare=False, repr=False)
