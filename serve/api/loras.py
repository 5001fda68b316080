"""Look up the LoRAs that a layer names in the operator's folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from deployments.diffusion.model.lora_files import LoraFile, lora_files
from deployments.diffusion.model.registry import ModelCard, card_of
from deployments.errors import InvalidRequest, UnsupportedTask
from deployments.messages import LoraUse

from ..config.layer_settings import ModelSettings
from .layer_schema import LoraInput

Result = TypeVar("Result")

SHOWN = 20
"""The most names that a refusal lists; `/v1/models` lists all."""


def offered_loras(settings: ModelSettings) -> dict[str, LoraFile]:
    """Return the LoRAs that requests may name for a model, by their names."""
    model = settings.generator.model
    return lora_files(model.lora_folder, card_of(model).family)


async def with_lora_files(work: Callable[[], Result]) -> Result:
    """Run `work`, which looks at the operator's LoRAs, in a dedicated thread.

    A new file is read in full for its hash, which takes seconds for a large one.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread(), work)


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "lora-files")


def loras_of(
    asked: Sequence[LoraInput], settings: ModelSettings, card: ModelCard, prefix: str
) -> tuple[LoraUse, ...]:
    """Return a layer's LoRAs, with the hashes of their files.

    Raises UnsupportedTask if its model takes none, and InvalidRequest with the parameter's path.
    """
    if settings.generator.model.lora_folder is None:
        raise UnsupportedTask(f"this service offers no LoRAs for {card.id}", f"{prefix}loras")
    offered, uses = offered_loras(settings), list[LoraUse]()
    for index, lora in enumerate(asked):
        param = f"{prefix}loras.{index}.name"
        found = offered.get(lora.name)
        if found is None:
            names = ", ".join(list(offered)[:SHOWN]) or "none"
            more = f" and {len(offered) - SHOWN} more" if len(offered) > SHOWN else ""
            raise InvalidRequest(f"{param} is not a LoRA of {card.id}; available: {names}{more}", param)
        if found.fault:
            raise InvalidRequest(f"the LoRA {lora.name} cannot be used: {found.fault}", param)
        if any(use.name == lora.name for use in uses):
            raise InvalidRequest(f"{param}: the LoRA {lora.name} is given twice", param)
        place = f"{prefix}loras.{index}"
        uses.append(LoraUse(name=lora.name, sha256=found.sha256, scale=lora.scale, param=place))
    return tuple(uses)
