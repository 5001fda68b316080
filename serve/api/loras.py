"""The LoRAs that a layer names, as the operator's folder has them."""

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
"""Names in a refusal; `/v1/models` has all."""


def offered_loras(settings: ModelSettings) -> dict[str, LoraFile]:
    """Return the LoRAs that requests may name for a model, by their names."""
    model = settings.generator.model
    return lora_files(model.lora_folder, card_of(model).family)


async def with_lora_files(work: Callable[[], Result]) -> Result:
    """Run `work`, which looks at the operator's LoRAs, in a thread of its own.

    A file that is new is read as a whole for its hash, which takes seconds for a large one.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread(), work)


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "lora-files")


def loras_of(
    asked: Sequence[LoraInput], settings: ModelSettings, card: ModelCard, prefix: str
) -> tuple[LoraUse, ...]:
    """Return what a layer's LoRAs are.

    Raises UnsupportedTask where its model takes none, and InvalidRequest with the parameter's path.
    """
    if settings.generator.model.lora_folder is None:
        raise UnsupportedTask(f"{card.id} takes no LoRAs here", f"{prefix}loras")
    offered, uses = offered_loras(settings), list[LoraUse]()
    for index, lora in enumerate(asked):
        param = f"{prefix}loras.{index}.name"
        found = offered.get(lora.name)
        if found is None:
            names = ", ".join(list(offered)[:SHOWN]) or "none"
            more = f" and {len(offered) - SHOWN} more" if len(offered) > SHOWN else ""
            raise InvalidRequest(f"{param} is none of the LoRAs of {card.id}, which are {names}{more}", param)
        if found.fault:
            raise InvalidRequest(f"the LoRA {lora.name} cannot be used: {found.fault}", param)
        if any(use.name == lora.name for use in uses):
            raise InvalidRequest(f"{param}: the LoRA {lora.name} is there twice", param)
        place = f"{prefix}loras.{index}"
        uses.append(LoraUse(name=lora.name, sha256=found.sha256, scale=lora.scale, param=place))
    return tuple(uses)
