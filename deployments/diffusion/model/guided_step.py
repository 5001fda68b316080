"""Skip a guided picture's rows without the prompt in a step, and return what the pipeline expects of both.

A pipeline guides every step or none: it adds a multiple of the difference between the predictions with and
without the prompt. If both are the same, it adds nothing. To add an earlier step's difference again, that
difference is subtracted from the prediction with the prompt to replace the one without it. This is the
simplest rule of LinearAG (Castillo et al. 2023, arXiv 2312.12487). Such steps cost half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from deployments.diffusion.model.batched_calls import Call, RowRules
from deployments.diffusion.painter import Guidance

MakeCall = Callable[[Call], Any]


class GuidedSteps:
    """Make the calls of one picture's denoiser, in steps with and without guidance.

    `prompt_first`: whether the rows with the prompt are the first half of a call. `calls` is how many a
    guided step has. The first of two is the one with the prompt. `caches`: whether later steps reuse the
    guidance. If so, the last difference is kept, one tensor as large as a prediction.
    """

    def __init__(self, prompt_first: bool, calls: int, caches: bool = False) -> None:
        self._prompt_first = prompt_first
        self._calls = calls
        self._caches = caches
        self._step = -1
        self._with_prompt: Any = None
        self._difference: Any = None

    def make(
        self, call: Call, step: int, guidance: Guidance, read: Callable[..., Call], make: MakeCall
    ) -> Any:
        """Return the output of this call in a step. `read` reads arguments, and `make` makes a call."""
        if guidance == "computed" and not self._caches:
            return make(call)
        if self._calls > 1:
            return self._of_two(call, step, guidance, make)
        half = call.rows // 2
        if guidance == "computed":
            output = make(call)
            first, second = (_rows(output, part, call.rows) for part in (slice(half), slice(half, None)))
            self._keep(*((first, second) if self._prompt_first else (second, first)))
            return output
        kept = slice(0, half) if self._prompt_first else slice(half, call.rows)
        cut = _Cut(call.rules, call.rows, kept)
        positional = tuple(cut(value, name) for value, name in zip(call.positional, call.names, strict=True))
        output = make(read(positional, cut(dict(call.keywords))))
        without = self._without(output, guidance)
        return _stacked(*((output, without) if self._prompt_first else (without, output)), half)

    def _of_two(self, call: Call, step: int, guidance: Guidance, make: MakeCall) -> Any:
        if step != self._step:
            self._step, self._with_prompt = step, make(call)
            return self._with_prompt
        if guidance != "computed":
            return self._without(self._with_prompt, guidance)
        without = make(call)
        self._keep(self._with_prompt, without)
        return without

    def _keep(self, with_prompt: Any, without: Any) -> None:
        self._difference = _each(torch.sub, with_prompt, without)

    def _without(self, with_prompt: Any, guidance: Guidance) -> Any:
        return with_prompt if guidance == "none" else _each(torch.sub, with_prompt, self._difference)


@dataclass(frozen=True)
class _Cut:
    """Cut the `kept` rows out of an argument of a call that has `count` rows."""

    rules: RowRules
    count: int
    kept: slice

    def __call__(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.Tensor):
            has_rows = value.ndim > 0 and self.rules.has_rows(value, name, self.count)
            return value[self.kept] if has_rows else value
        if self.rules.is_row_list(value, name, self.count):
            return value[self.kept]
        if isinstance(value, Mapping):
            return {key: self(entry, str(key)) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self(entry, name) for entry in value)
        return value


def _each(operation: Callable[..., Any], *outputs: Any) -> Any:
    """Return an output of the same form, each tensor made from those of `outputs` by `operation`."""
    first = outputs[0]
    if isinstance(first, torch.Tensor):
        return operation(*outputs)
    if isinstance(first, dict):
        named = {name: _each(operation, *(output[name] for output in outputs)) for name in first}
        return type(first)(**named)
    if isinstance(first, list | tuple):
        return type(first)(_each(operation, *entries) for entries in zip(*outputs, strict=True))
    return first


def _rows(output: Any, kept: slice, rows: int) -> Any:
    """Return some of the rows of a network's output."""
    if isinstance(output, list) and len(output) == rows:
        return output[kept]
    if isinstance(output, dict):
        return type(output)(**{name: _rows(value, kept, rows) for name, value in output.items()})
    if isinstance(output, list | tuple):
        return type(output)(_rows(value, kept, rows) for value in output)
    return output[kept] if isinstance(output, torch.Tensor) else output


def _stacked(first: Any, second: Any, rows: int) -> Any:
    """Return two outputs of `rows` rows each as one."""
    if isinstance(first, torch.Tensor):
        return torch.cat([first, second])
    if isinstance(first, list) and len(first) == rows:
        return [*first, *second]
    if isinstance(first, dict):
        return type(first)(**{name: _stacked(value, second[name], rows) for name, value in first.items()})
    if isinstance(first, list | tuple):
        return type(first)(_stacked(*both, rows) for both in zip(first, second, strict=True))
    return first
