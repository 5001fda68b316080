"""Distinguish a lack of memory on the device from other errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from deployments.errors import OutOfMemory

Result = TypeVar("Result")


def within_memory(act: Callable[[], Result]) -> Result:
    """Return the act's result. Raises OutOfMemory where the device has no room for it."""
    try:
        return act()
    except MemoryError:  # Of numpy and Python themselves.
        pass
    except RuntimeError as error:
        # On the CPU torch has no class for it.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
    # Only here, where the error and the tensors in its frames are gone: https://pytorch.org/docs/stable/notes/faq.html
    raise OutOfMemory("the device ran out of memory painting this picture")
