"""Give a compiled forward its arguments in the one form that it was compiled for.

A forward compiled for one layout misreads any other, and raises nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch

from deployments.diffusion.model.batched_calls import RETURN_DICT, Call


def form_of(calls: Sequence[Call], rows: int) -> Hashable:
    """Return what forwards of `rows` rows can differ in although their calls' keys are equal.

    That is the form of the output and, for a call that is made unchanged, the axes of its tensors: it may
    have one number where others have one for each row.
    """
    answers = {call.keywords.get(RETURN_DICT) for call in calls}
    answer = answers.pop() if len(answers) == 1 else True
    is_made_as_it_is = len(calls) == 1 and calls[0].rows == rows
    return answer, _axes((calls[0].positional, calls[0].keywords)) if is_made_as_it_is else None


def settled(value: Any) -> Any:
    """Return arguments with each tensor contiguous and each dict in the order of its keys."""
    if isinstance(value, torch.Tensor):
        return value.contiguous()
    if isinstance(value, dict):
        return {key: settled(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return type(value)(settled(entry) for entry in value)
    return value


def _axes(value: Any) -> Hashable:
    """Return how many axes each tensor has."""
    if isinstance(value, torch.Tensor):
        return value.ndim
    if isinstance(value, dict):
        return tuple(_axes(value[key]) for key in sorted(value))
    if isinstance(value, list | tuple):
        return tuple(map(_axes, value))
    return None
